"""Completion in raster order: exact and at once, where everything known comes before everything hidden."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from flowgen import rng
from flowgen.data.images import to_bytes
from flowgen.errors import FlowgenError
from flowgen.hyperparameters import check
from flowgen.inference.frame import Frame
from flowgen.inference.target import hidden_coordinates

if TYPE_CHECKING:
    from flowgen.models.image_model import Drawing, Sequential

__all__ = ["InOrder", "comes_last"]


@dataclass(frozen=True)
class InOrder:
    """Hidden pixels drawn one after another, each given all before it: independent draws of p(hidden | known).

        x_t ~ p(x_t | x_<t),   t = t_0, ..., D,   where x_<t_0 is known and all the rest is hidden

    It is no chain: there is nothing to warm up, and each completion is exact and independent of the others.
    """

    temperature: float = field(
        default=1.0, metadata={"help": "of each pixel; 1 is the model's own, 0 its likeliest level", "min": 0, "max": 2}
    )

    def __post_init__(self) -> None:
        check(self)

    def complete(
        self, model: "Sequential", image: Tensor, known: Tensor, *, seed: int, variants: range
    ) -> Iterator[Frame]:
        """A frame a row, known rows included; rows that are not drawn yet are black.

        Args:
            model: draws in raster order.
            image: (c, h, w) bytes below `model.levels`.
            known: (c, h, w) bool, True where observed, alike for all colours.
            seed: with a variant's number, keys its draws.
            variants: the variants' numbers.

        Raises:
            FlowgenError: before the first frame, if something known comes after something hidden.
        """
        if not comes_last(known[0]):
            raise FlowgenError(
                "Drawing row by row from the upper left completes exactly what comes after everything known: hide all "
                "from some pixel on, such as the lower half. For a hole of any shape choose raster_smc."
            )
        device, height = model.prior.anchor.device, image.shape[1]
        z = rng.keyed_uniform(model.prior.event_shape, seed, variants).to(device)
        drawings = model.draw(z, temperature=self.temperature, levels=image, known=known)
        return self._frames(drawings, image, known, model.levels, height)

    def _frames(
        self, drawings: "Iterator[Drawing]", image: Tensor, known: Tensor, num_levels: int, height: int
    ) -> Iterator[Frame]:
        hidden = hidden_coordinates(known)

        def to_image(u: Tensor) -> Tensor:
            whole = image.flatten().expand(len(u), -1).index_copy(1, hidden, u.to(image.dtype))
            return whole.view(-1, *image.shape)

        for drawing in drawings:
            yield Frame(
                step=drawing.rows,
                num_steps=height,
                position=to_bytes(drawing.x, num_levels).flatten(1)[:, hidden],
                log_density=drawing.log_prob.clone(),
                rejections=torch.zeros_like(drawing.log_prob, dtype=torch.int64),
                acceptance=None,
                warming_up=False,
                to_image=to_image,
            )


def comes_last(known: Tensor) -> bool:
    """Whether in (h, w) nothing known comes after something hidden, read row by row."""
    hidden = ~known.flatten()
    return bool(hidden[hidden.sum().neg() :].all())
