"""`flowgen models` and `flowgen evaluate`: what there is, and how good it is."""

import dataclasses
import json
from typing import TYPE_CHECKING, Annotated

import typer
from torch import Tensor

from flowgen.commands.bar import bar
from flowgen.commands.images import LARGEST_SEED
from flowgen.commands.train import load_images
from flowgen.errors import FlowgenError

if TYPE_CHECKING:
    from flowgen.checkpoint import Meta
    from flowgen.evaluation import Evaluation

__all__ = ["evaluate", "load_levels", "models"]


def models(
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object")] = False,
    cards: Annotated[bool, typer.Option(help="a card a model, in Markdown")] = False,
) -> None:
    """List the models at hand."""
    from flowgen import library
    from flowgen.card import cards as written

    metas = [meta for name in library.names() if (meta := _described(name)) is not None]
    if as_json:
        typer.echo(json.dumps({meta.name: dataclasses.asdict(meta) for meta in metas}))
        return
    if cards:
        typer.echo(written(metas))
        return
    widest = max((len(meta.recipe) for meta in metas), default=0)
    for meta in metas:
        shape = "x".join(map(str, meta.event_shape))
        figure = "not measured" if meta.bits_per_dim is None else f"{meta.bits_per_dim:.3f} bits/dim"
        typer.echo(f"{meta.name:24} {meta.recipe:{widest}} {meta.dataset:14} {shape:10} {figure:18} {meta.hours:.2f} h")
    if not metas:
        typer.echo("There are no models yet; `flowgen train glow --dataset mnist --hours 1` makes one.")


def _described(name: str) -> "Meta | None":
    """What a model says of itself; of one that cannot be read, a line on stderr says why."""
    from flowgen import library

    try:
        return library.describe(name)
    except FlowgenError as error:
        typer.echo(f"flowgen: {name} is left out. {error}", err=True)
        return None


def evaluate(
    name: Annotated[str, typer.Argument(help="model")],
    dataset: Annotated[str, typer.Option(help="data set; the model's own by default")] = "",
    split: Annotated[str, typer.Option(help="train or test")] = "test",
    num: Annotated[int | None, typer.Option(help="only the first images; all by default", min=1)] = None,
    importance_samples: Annotated[int, typer.Option(help="draws of the dequantisation noise an image", min=1)] = 1,
    seed: Annotated[int, typer.Option(help="keys the noise", min=0, max=LARGEST_SEED)] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda")] = "auto",
    folder_path: Annotated[str, typer.Option(help="directory of images, for --dataset folder")] = "",
    record: Annotated[bool, typer.Option(help="also write the figure into the checkpoint's header")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object")] = False,
) -> None:
    """Measure bits per dimension on a data set."""
    from flowgen import library
    from flowgen.evaluation import evaluate

    meta = library.describe(name)
    dataset = dataset or meta.dataset
    levels = load_levels(meta, dataset, folder_path, split)[:num]
    with bar(len(levels), "image", show=True) as shown:
        result = evaluate(
            library.load(name, device), levels, importance_samples=importance_samples, seed=seed, progress=shown.update
        )
    if record:
        if split != "test" or num is not None or dataset != meta.dataset:
            raise FlowgenError("Only the figure on the whole test set of the model's own data can be recorded.")
        _record(name, meta, result)
    if as_json:
        typer.echo(json.dumps({"model": meta.name, "dataset": dataset, "split": split, **dataclasses.asdict(result)}))
    else:
        typer.echo(
            f"{meta.name} on {result.num_images} {split} images of {dataset}: {result.bits_per_dim:.4f} bits/dim "
            f"(standard error {result.standard_error:.4f}; dequantization {result.dequantization}, "
            f"importance samples {result.importance_samples})"
        )


def load_levels(meta: "Meta", dataset: str, folder_path: str, split: str) -> Tensor:
    """The images of a data set for a model: (n, *event_shape) uint8.

    Raises:
        FlowgenError: if no data set has this name, it cannot be read, or its images are not of the model's shape.
    """
    size = {"folder_path": folder_path, "folder_size": meta.event_shape[-1], "folder_channels": meta.event_shape[0]}
    images = load_images(dataset, size, split)
    if images.event_shape != meta.event_shape:
        raise FlowgenError(
            f"{meta.name} takes images of shape {meta.event_shape}, and {dataset} has {images.event_shape}."
        )
    levels: Tensor = images.levels
    return levels


def _record(name: str, meta: "Meta", result: "Evaluation") -> None:
    from flowgen import library
    from flowgen.checkpoint import rewrite_meta

    protocol = (
        f"{result.num_images} test images, dequantization {result.dequantization}, "
        f"importance samples {result.importance_samples}"
    )
    measured = dataclasses.replace(
        meta,
        bits_per_dim=result.bits_per_dim,
        standard_error=result.standard_error,
        protocol=protocol,
        quantiles=tuple(round(quantile, 4) for quantile in result.quantiles),
    )
    rewrite_meta(library.find(name), measured)
