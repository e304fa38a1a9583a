"""`flowgen compress` and `flowgen decompress`: images in as many bits as a model claims for them, and back."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import torch
import typer
from torch import Tensor

from flowgen.checkpoint import write_atomically
from flowgen.commands.bar import bar
from flowgen.commands.images import Device, Json, Model, open_named, report, write
from flowgen.commands.models import load_levels
from flowgen.data import pictures
from flowgen.errors import FlowgenError

if TYPE_CHECKING:
    from flowgen.checkpoint import Meta

__all__ = ["compress", "decompress"]


def compress(
    name: Model,
    output: Annotated[Path, typer.Option(help="file to write")],
    images: Annotated[
        list[Path] | None, typer.Argument(help="pictures, brought to the model's shape; or give --dataset")
    ] = None,
    dataset: Annotated[str, typer.Option(help="data set to take images from instead")] = "",
    split: Annotated[str, typer.Option(help="train or test")] = "test",
    num: Annotated[int | None, typer.Option(help="only the first of them; all by default", min=1)] = None,
    folder_path: Annotated[str, typer.Option(help="directory of images, for --dataset folder")] = "",
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Compress images without loss, with the probabilities of an autoregressive model."""
    from flowgen import library
    from flowgen.evaluation import bits_per_dim, compress

    meta = library.describe(name)
    levels = _levels(meta, images or [], dataset, folder_path, split, num)
    model = library.load(name, device)
    started = time.perf_counter()
    with bar(len(levels), "image", show=not as_json) as shown:
        content = compress(model, levels, name=meta.name, progress=shown.update)
    seconds = time.perf_counter() - started
    claim = float(bits_per_dim(model, levels).mean())
    write_atomically(output, content)
    report(
        as_json,
        model=meta.name,
        num_images=len(levels),
        bytes=len(content),
        bits_per_dim=8 * len(content) / levels.numel(),
        claim_bits_per_dim=claim,
        ratio=levels.numel() / len(content),
        seconds=seconds,
        output=str(output),
    )


def decompress(
    file: Annotated[Path, typer.Argument(help="what `flowgen compress` wrote")],
    output: Annotated[Path, typer.Option(help="directory for the images, 0000.png and on")],
    model: Annotated[str, typer.Option(help="name or path of its model; by default the one that the file names")] = "",
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Bring compressed images back, every pixel; if one cannot be, none is written."""
    from flowgen import library
    from flowgen.evaluation import decompress, read_header

    content = _read(file)
    header = read_header(content)
    # A file may come from anyone, so that what it names is looked up here, and never opened or fetched.
    if not model and header.model not in library.names():
        raise FlowgenError(f"{file} needs the model {header.model!r}, which is not here; say where with --model.")
    meta = library.describe(model or header.model)
    started = time.perf_counter()
    with bar(header.num_images, "image", show=not as_json) as shown:
        loaded = library.load(model or header.model, device)
        levels = decompress(content, loaded, name=meta.name, progress=shown.update)
    seconds = time.perf_counter() - started
    for number, image in enumerate(levels):
        write(output / f"{number:04}.png", pictures.from_levels(image, header.levels))
    report(as_json, model=meta.name, num_images=len(levels), seconds=seconds, output=str(output))


def _levels(meta: "Meta", images: list[Path], dataset: str, folder_path: str, split: str, num: int | None) -> Tensor:
    """What to compress, (n, *event_shape): the pictures or the data set, whichever was given."""
    if bool(images) == bool(dataset):
        raise FlowgenError("Give either pictures or --dataset: one of them, and not both.")
    if dataset:
        return load_levels(meta, dataset, folder_path, split)[:num]
    opened = (open_named("picture", image) for image in images[:num])
    return torch.stack([pictures.to_levels(picture, meta.event_shape, levels=meta.levels) for picture in opened])


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise FlowgenError(f"{file} could not be read: {error.strerror}.") from None
