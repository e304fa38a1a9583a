"""`flowgen train MODEL --dataset D`: a command for each model, with its hyperparameters as flags."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from flowgen.commands.flags import build_from, with_flags
from flowgen.commands.recipe import RecipeGroup
from flowgen.data import DATASETS
from flowgen.data.folder import ImageFolder
from flowgen.errors import FlowgenError
from flowgen.models import MODELS

__all__ = ["app"]

app = typer.Typer(help="Train a model.", no_args_is_help=True, rich_markup_mode=None, cls=RecipeGroup)


@app.callback()
def _train_a_model(
    recipe: Annotated[
        Path | None, typer.Option(help="file with the model, the data set and all flags; flags beside it outdo it")
    ] = None,
) -> None:
    """Train a model: MODEL with its flags, or --recipe FILE."""
    # RecipeGroup has replaced --recipe by what it stands for; here it is only for --help.


@dataclasses.dataclass(frozen=True)
class Folder:
    """The folder data set's fields, under flags that say whose they are."""

    folder_path: str = dataclasses.field(default="", metadata={"help": "directory of images, for --dataset folder"})
    folder_size: int = dataclasses.field(default=64, metadata={"help": "their height and width, for --dataset folder"})
    folder_channels: int = dataclasses.field(
        default=3, metadata={"help": "3 for colour, 1 for gray, for --dataset folder"}
    )


def _command(name: str) -> Callable[..., None]:
    from flowgen.training.settings import Settings

    def train(
        dataset: Annotated[str, typer.Option(help=f"one of {', '.join(DATASETS)}")],
        output: Annotated[
            Path | None, typer.Option(help="checkpoint to write; checkpoints/RECIPE-DATASET.safetensors")
        ] = None,
        resume: Annotated[bool, typer.Option(help="go on from where a killed run stood")] = False,
        restart: Annotated[bool, typer.Option(help="throw an earlier run's state away")] = False,
        compile: Annotated[bool, typer.Option(help="compile with torch.compile")] = False,
        device: Annotated[str, typer.Option(help="auto, cpu or cuda")] = "auto",
        threads: Annotated[int | None, typer.Option(help="CPU threads; torch's own choice by default", min=1)] = None,
        runs: Annotated[Path, typer.Option(help="directory for the state and log of runs")] = Path("runs"),
        save_every: Annotated[float, typer.Option(help="seconds between saved states", min=0.0)] = 120.0,
        trackio: Annotated[str | None, typer.Option(help="also log to this trackio project")] = None,
        **flags: Any,
    ) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        _train(name, flags, dataset, output, resume, restart, compile, device, runs, save_every, trackio)

    train.__doc__ = f"Train {name} by maximum likelihood; give --steps or --hours as the budget."
    return with_flags(train, MODELS[name], Settings, Folder)


for recipe in MODELS:
    app.command(recipe)(_command(recipe))


def _train(
    recipe: str,
    flags: dict[str, Any],
    dataset: str,
    output: Path | None,
    resume: bool,
    restart: bool,
    compile: bool,
    device: str,
    runs: Path,
    save_every: float,
    trackio: str | None,
) -> None:
    from flowgen import __version__
    from flowgen.checkpoint import Meta, check_writable
    from flowgen.library import SUFFIX
    from flowgen.training import Batches, Run, Settings, Trainer

    settings = build_from(Settings, flags)
    output = output or Path("checkpoints") / f"{recipe}-{dataset}{SUFFIX}"
    if output.suffix != SUFFIX:
        raise FlowgenError(f"The output {output} must end in {SUFFIX}.")
    run = Run(runs / output.stem)
    run.prepare(resume=resume, restart=restart)
    if output.exists() and not (resume or restart):
        raise FlowgenError(f"{output} is there already; name another --output, or overwrite it with --restart.")
    check_writable(output)
    images = load_images(dataset, flags, "train")
    hyperparameters = dataclasses.asdict(build_from(MODELS[recipe], flags))
    meta = Meta(
        recipe, hyperparameters, images.event_shape, 256, dataset, images.class_names,
        licence=DATASETS[dataset].licence, version=__version__,
    )  # fmt: skip
    batches = Batches(images, settings.batch_size, settings.seed)
    track = _tracker(trackio, output.stem, hyperparameters) if trackio else None
    trainer = Trainer(
        meta,
        settings,
        batches,
        output=output,
        run=run,
        compile=compile,
        save_every=save_every,
        device=device,
        track=track,
    )
    try:
        trainer.fit(resume=resume)
    except KeyboardInterrupt:
        typer.echo(f"flowgen: stopped after step {trainer.step}; the same command with --resume goes on.", err=True)
        raise typer.Exit(130) from None
    if trainer.accelerator.is_main_process:
        typer.echo(f"{output}: {trainer.step} steps in {trainer.seconds / 3600:.2f} hours, {trainer.skipped} skipped")


def load_images(dataset: str, flags: dict[str, Any], split: Any) -> Any:
    """The images of a split of a data set named on the command line.

    Raises:
        FlowgenError: if no data set has this name, or it cannot be read.
    """
    if dataset not in DATASETS:
        raise FlowgenError(f"There is no data set {dataset!r}; choose one of {', '.join(DATASETS)}.")
    if dataset == "folder":
        if not flags["folder_path"]:
            raise FlowgenError("--dataset folder needs --folder-path, the directory of images.")
        return ImageFolder(flags["folder_path"], flags["folder_size"], flags["folder_channels"]).load(split)
    return DATASETS[dataset]().load(split)


def _tracker(project: str, name: str, config: dict[str, Any]) -> Callable[[dict[str, float]], None]:
    try:
        import trackio
    except ImportError:
        raise FlowgenError("--trackio needs the package trackio: pip install trackio.") from None
    trackio.init(project=project, name=name, config=config)
    return trackio.log
