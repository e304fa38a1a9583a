"""`flowgen sample` and `interpolate`: what makes pictures, and how pictures are written."""

import json
import time
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from PIL import Image
from tqdm import tqdm

from flowgen.checkpoint import write_atomically
from flowgen.data import pictures, to_bytes
from flowgen.errors import FlowgenError

__all__ = ["Device", "Json", "Model", "Seed", "check_picture_name", "interpolate", "report", "sample", "write"]

Device = Annotated[str, typer.Option(help="auto, cpu or cuda")]
Json = Annotated[bool, typer.Option("--json", help="print one JSON object")]
Model = Annotated[str, typer.Argument(help="model: a name, a path, or hf:<owner>/<repo>/<name>")]
Output = Annotated[Path, typer.Option(help="PNG to write")]
Seed = Annotated[int, typer.Option(help="seed; the same one gives the same pictures")]


def sample(
    name: Model,
    output: Output,
    num: Annotated[int, typer.Option(help="how many", min=1, max=4096)] = 16,
    temperature: Annotated[float, typer.Option(help="spread of the latent; 1 is the model's own", min=0.0)] = 1.0,
    seed: Seed = 0,
    label: Annotated[int | None, typer.Option(help="class, for models that have them")] = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Draw images into one grid."""
    from flowgen import library
    from flowgen.inference import draw

    check_picture_name(output)
    model = library.load(name, device)
    started = time.perf_counter()
    with tqdm(total=100, unit="%", disable=as_json) as bar:
        for done, levels in draw(model, num, temperature=temperature, seed=seed, label=label):
            bar.update(round(100 * done) - bar.n)
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
        pictures.to_levels(pictures.open_picture(picture), model.event_shape, levels=model.levels)
        for picture in (start, end)
    )
    x = interpolate(model, first, last, frames, path=path)
    write(output, pictures.grid(to_bytes(x, model.levels), columns=frames, levels=model.levels))
    report(as_json, model=name, frames=frames, path=path, output=str(output))


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
