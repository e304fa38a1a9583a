"""`flowgen space`: check, render, deploy and try the Space that the Spacefile describes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flowgen.errors import FlowgenError

if TYPE_CHECKING:
    from flowgen.space import Manifest

__all__ = ["app"]

app = typer.Typer(help="Check, render, deploy and try the Space that the Spacefile describes.", no_args_is_help=True)

Root = Annotated[Path, typer.Option(help="the repository, with its Spacefile")]


@app.command()
def check(
    root: Root = Path(),
    hub: Annotated[bool, typer.Option("--hub", help="also fetch and check the models listed by a hub path")] = False,
) -> None:
    """Find where the repository is not what its Spacefile says; exit code 1 if anywhere."""
    from flowgen.space import present

    manifest, wrong = _checked(root, hub=hub)
    for sentence in wrong:
        typer.echo(sentence)
    if wrong:
        raise typer.Exit(1)
    sizes = present(root, manifest)
    typer.echo(
        f"All is as the Spacefile says: {len(manifest.models)} models, {len(sizes)} files, {_total(sizes)} in all."
    )


@app.command()
def render(
    root: Root = Path(),
    models: Annotated[
        bool, typer.Option("--models", help="also list the models in checkpoints/, and their cards, anew")
    ] = False,
) -> None:
    """Write README.md's front matter and packages.txt as the Spacefile says."""
    from flowgen.space import SPACEFILE, read, render, render_models

    changed = render_models(root) if models else []
    changed += render(root, read(root / SPACEFILE))
    typer.echo(f"Written: {', '.join(changed)}." if changed else "Everything is up to date.")


@app.command()
def deploy(
    space: Annotated[str, typer.Argument(help="owner/name of the Space; may be left out with --dry-run")] = "",
    root: Root = Path(),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only print what would be uploaded")] = False,
    private: Annotated[bool, typer.Option("--private", help="a new Space is for its owner alone")] = False,
) -> None:
    """Create the Space on the Hub, or bring it up to date."""
    from flowgen.space import deploy, present

    manifest, wrong = _checked(root, hub=not dry_run)
    if wrong:
        raise FlowgenError(f"The Space is not in order, and was not deployed: {' '.join(wrong)}")
    sizes = present(root, manifest)
    if dry_run:
        for path, size in sizes.items():
            typer.echo(f"{size:>10,}  {path}")
        typer.echo(f"{sum(sizes.values()):>10,}  in all, {len(sizes)} files")
        return
    if not space:
        raise FlowgenError("Say which Space: flowgen space deploy OWNER/NAME.")
    address = deploy(root, manifest, space, private=private)
    typer.echo(f"{len(sizes)} files, {_total(sizes)}: {address}")


@app.command()
def smoke(
    url: Annotated[str, typer.Argument(help="of a running studio, such as http://127.0.0.1:7860")],
    timeout: Annotated[float, typer.Option(help="most seconds an endpoint may take", min=1)] = 120,
) -> None:
    """Call every endpoint of a running studio; exit code 1 if one fails."""
    from flowgen.commands.smoke import probes

    failed = 0
    for probe in probes(url, timeout):
        failed += not probe.passed
        typer.echo(
            f"{'ok    ' if probe.passed else 'FAILED'}  {probe.endpoint:14} {probe.seconds:6.2f} s  {probe.said}"
        )
    if failed:
        raise typer.Exit(1)


def _checked(root: Path, *, hub: bool) -> "tuple[Manifest, list[str]]":
    from flowgen.space import SPACEFILE, check, read

    manifest = read(root / SPACEFILE)
    return manifest, check(root, manifest, hub=hub)


def _total(sizes: dict[str, int]) -> str:
    return f"{sum(sizes.values()) / 1e6:.1f} MB"
