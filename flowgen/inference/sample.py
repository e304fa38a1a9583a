"""Samples as they are drawn: at once from a flow, row by row from a model that draws in raster order."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from flowgen import rng
from flowgen.data.images import to_bytes
from flowgen.errors import FlowgenError
from flowgen.models.image_model import Sequential

if TYPE_CHECKING:
    from flowgen.models.image_model import ImageModel

__all__ = ["draw", "usual_temperature"]


def usual_temperature(model: "ImageModel") -> float:
    """Where one starts: cooler than the model for a flow, whose samples gain by it.

    One that draws pixel after pixel takes the likelier, black one too often at each of them, and loses its strokes.
    """
    return 1.0 if isinstance(model, Sequential) else 0.8


@torch.no_grad()
def draw(
    model: "ImageModel", num: int, *, temperature: float = 1.0, seed: int = 0, label: int | None = None
) -> Iterator[tuple[float, Tensor]]:
    """What `sample` of the same seed gives, on the way: the share that is done, and (num, c, h, w) uint8 images.

    Rows that are not drawn yet are black. A flow yields once, with share 1.

    Args:
        model: any image model.
        num: how many images.
        temperature: 1 is the model's own.
        seed: image i depends on the seed and i alone.
        label: the class, for models that have classes.

    Raises:
        FlowgenError: if an argument is out of range, or a sample is not finite.
    """
    density = model if label is None else model.given(label)
    if isinstance(density, Sequential) and num >= 1:
        z = rng.keyed_uniform(model.prior.event_shape, seed, range(num)).to(model.prior.anchor.device)
        for drawing in density.draw(z, temperature=temperature):
            yield drawing.rows / model.event_shape[1], to_bytes(drawing.x, model.levels)
    else:
        x = density.sample(num, temperature=temperature, seed=seed)
        if not bool(x.isfinite().all()):
            raise FlowgenError(
                "Some of these samples are not finite numbers: choose a lower temperature, or another seed."
            )
        yield 1.0, to_bytes(x, model.levels)
