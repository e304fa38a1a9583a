"""`flowgen attributes` and `flowgen edit`: what a model makes of labels, and pictures moved along it."""

from pathlib import Path
from typing import Annotated

import torch
import typer

from flowgen.commands.bar import bar
from flowgen.commands.images import Device, Json, Model, Output, check_picture_name, open_named, report, write
from flowgen.data import pictures, to_bytes
from flowgen.errors import FlowgenError

__all__ = ["attributes", "edit"]

FACES = ("Smiling", "Eyeglasses", "Blond_Hair")


def attributes(
    name: Model,
    attribute: Annotated[
        list[str], typer.Option(help="attribute to keep a direction for; give it several times for several")
    ] = list(FACES),  # noqa: B006 - typer's own form of a default
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Learn the directions of attributes from CelebA's labels, and write them into a model's file."""
    from flowgen import library
    from flowgen.checkpoint import save_directions
    from flowgen.data import CelebA
    from flowgen.inference import learn_directions

    path, meta = library.find(name), library.describe(name)
    known, has = CelebA().attributes("train")
    for one in attribute:
        if one not in known:
            raise FlowgenError(f"CelebA has no attribute {one!r}; it has {', '.join(known)}.")
    levels = CelebA().load("train").levels
    if levels.shape[1:] != meta.event_shape:
        raise FlowgenError(f"{meta.name} takes images of shape {meta.event_shape}, and CelebA has {levels.shape[1:]}.")
    with bar(len(levels), "image", show=not as_json) as shown:
        directions = learn_directions(library.load(name, device), levels, has, progress=shown.update)
    chosen = [known.index(one) for one in attribute]
    save_directions(path, attribute, directions[chosen])
    lengths = dict(zip(attribute, directions[chosen].norm(dim=1).tolist(), strict=True))
    report(as_json, model=name, num_images=len(levels), lengths=lengths, output=str(path))


def edit(
    name: Model,
    image: Annotated[Path, typer.Argument(help="picture to change")],
    output: Output,
    set: Annotated[list[str], typer.Option("--set", help="ATTRIBUTE=AMOUNT, as Smiling=1.5; 1 is what having it adds")],
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Give a picture more or less of a model's attributes."""
    from flowgen import library
    from flowgen.checkpoint import read_directions
    from flowgen.inference import edit

    check_picture_name(output)
    meta, directions = library.describe(name), read_directions(library.find(name))
    amounts = dict(_amount(one, meta.attributes) for one in set)
    levels = pictures.to_levels(open_named("IMAGE", image), meta.event_shape, levels=meta.levels)
    shift = torch.tensor([amounts.get(one, 0.0) for one in meta.attributes]) @ directions
    x = edit(library.load(name, device), levels, shift[None])
    write(output, pictures.from_levels(to_bytes(x, meta.levels)[0], levels=meta.levels))
    report(as_json, model=name, amounts=amounts, output=str(output))


def _amount(text: str, known: tuple[str, ...]) -> tuple[str, float]:
    attribute, _, number = text.partition("=")
    if attribute not in known:
        raise FlowgenError(f"--set {text}: this model has no attribute {attribute!r}; it has {', '.join(known)}.")
    try:
        amount = float(number)
    except ValueError:
        amount = float("nan")
    if not -10 <= amount <= 10:
        raise FlowgenError(f"--set {text}: the amount must be a number from -10 to 10, as in {attribute}=1.5.")
    return attribute, amount
