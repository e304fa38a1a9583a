"""`flowgen sample` and `interpolate`: what makes pictures, and how pictures are written."""

import json
import time
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from PIL import Image

from flowgen.checkpoint import write_atomically
from flowgen.commands.bar import bar
from flowgen.data import pictures, to_bytes
from flowgen.errors import FlowgenError

__all__ = [
    "LARGEST_SEED",
    "Device",
    "Json",
    "Model",
    "Seed",
    "check_picture_name",
    "interpolate",
    "open_named",
    "report",
    "sample",
    "write",
]

LARGEST_SEED = 2**31 - 1  # of the page and of the endpoints as well

Device = Annotated[str, typer.Option(help="auto, cpu or cuda")]
Json = Annotated[bool, typer.Option("--json", help="print one JSON object")]
Model = Annotated[str, typer.Argument(help="model: a name, a path, or hf:<owner>/<repo>/<name>")]
Output = Annotated[Path, typer.Option(help="PNG to write")]
Seed = Annotated[int, typer.Option(help="seed; the same one gives the same pictures", min=0, max=LARGEST_SEED)]


def sample(
    name: Model,
    output: Output,
    num: Annotated[int, typer.Option(help="how many", min=1, max=4096)] = 16,
    temperature: Annotated[
        float | None,
        typer.Option(help="spread of the latent; 1 is the model's own; by default 0.8 for a flow, else 1", min=0.0),
    ] = None,
    seed: Seed = 0,
    label: Annotated[int | None, typer.Option(help="class, for models that have them")] = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Draw images into one grid."""
    from flowgen import library
    from flowgen.inference import draw, usual_temperature

    check_picture_name(output)
    model = library.load(name, device)
    temperature = usual_temperature(model) if temperature is None else temperature
    started = time.perf_counter()
    with bar(100, "%", show=not as_json) as shown:
        for done, levels in draw(model, num, temperature=temperature, seed=seed, label=label):
            shown.update(round(100 * done) - shown.n)
            drawn = levels
    seconds = time.perf_counter() - started
    write(output, pictures.grid(drawn.cpu(), levels=model.levels))
    report(as_json, model=name, num=num, temperature=temperature, seed=seed, seconds=seconds, output=str(output))


def interpolate(
    name: Model,
    start: Annotated[Path, typer.Option(help="picture to start from")],
    end: Annotated[Path, typer.Option(help="picture to arrive at")],
    output: Output,
    frames: Annotated[int, typer.Option(help="pictures on the way, the ends included", min=2, max=256)] = 12,
    path: Annotated[Literal["spherical", "linear"], typer.Option(help="way through the latent space")] = "spherical",
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Walk from one picture to another through the latent space, into one strip."""
    from flowgen import library
    from flowgen.inference import interpolate

    check_picture_name(output)
    model = library.load(name, device)
    first, last = (
        pictures.to_levels(open_named(flag, path_), model.event_shape, levels=model.levels)
        for flag, path_ in (("--start", start), ("--end", end))
    )
    x = interpolate(model, first, last, frames, path=path)
    write(output, pictures.grid(to_bytes(x, model.levels), columns=frames, levels=model.levels))
    report(as_json, model=name, frames=frames, path=path, output=str(output))


def open_named(what: str, path: Path) -> Image.Image:
    """The picture in a file named on the command line.

    Args:
        what: the flag that it was named by.
        path: the file.

    Raises:
        FlowgenError: naming both, if it is none.
    """
    try:
        return pictures.open_picture(path)
    except FlowgenError as error:
        raise FlowgenError(f"{what} {path}: {error}") from None


def write(path: Path, picture: Image.Image) -> None:
    """Write a PNG, all of it or nothing.

    Raises:
        FlowgenError: if the name does not end in .png, or it cannot be written.
    """
    check_picture_name(path)
    write_atomically(path, pictures.png_bytes(picture))


def check_picture_name(path: Path) -> None:
    """Make sure that a picture's name says PNG.

    Raises:
        FlowgenError: if it does not.
    """
    if path.suffix.lower() != ".png":
        raise FlowgenError(
            f"The output {path} must end in .png, the one format that keeps every pixel and is read everywhere."
        )


def report(as_json: bool, **facts: Any) -> None:
    """Say what was done: one JSON object, or the output's name."""
    typer.echo(json.dumps(facts) if as_json else f"{facts['output']}")
