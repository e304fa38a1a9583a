"""The hidden levels of an image by a model that completes in order: a target over levels, exact."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from flowgen.errors import FlowgenError
from flowgen.inference.sequential_target import SequentialTarget
from flowgen.inference.target import Levels, Target

if TYPE_CHECKING:
    from flowgen.models.image_model import Sequential

__all__ = ["LevelsTarget", "levels_target", "sequence_of"]


@dataclass(frozen=True)
class LevelsTarget(Target):
    """A target over levels that also completes in order.

    Args:
        sequence: the same mass, factor by factor; its hidden positions are the unknowns, in this order.
    """

    sequence: SequentialTarget = field(kw_only=True)


def levels_target(model: "Sequential", image: Tensor, known: Tensor) -> LevelsTarget:
    """The hidden levels given the known ones, exactly: p(k_hidden | k_known), up to p(k_known).

        log_density(u) = log p(k),   k_hidden = u, in raster order with a pixel's colours one after another

    Args:
        model: gives log_mass of (b, c, h, w) levels, and draws in raster order.
        image: (c, h, w) bytes below `model.levels`.
        known: (c, h, w) bool, True where observed.
    """
    device, shape = model.prior.anchor.device, tuple(image.shape)
    levels = image.to(device, torch.uint8).flatten()
    # Where each unknown is in the flat image: (c, h, w) of the positions that come up as (h, w, c).
    places = torch.arange(levels.numel()).view(shape).movedim(0, -1).flatten().to(device)
    hidden = places[(~known).to(device).movedim(0, -1).flatten().nonzero().squeeze(1)]

    def to_image(u: Tensor) -> Tensor:
        filled: Tensor = levels.expand(len(u), -1).index_copy(1, hidden, u.to(torch.uint8)).unflatten(1, shape)
        return filled

    def log_likelihood(u: Tensor) -> Tensor:
        return model.log_mass(to_image(u)).double()

    sequence = SequentialTarget(model, image, known)
    return LevelsTarget(log_likelihood, None, Levels(len(hidden), model.levels), to_image, sequence=sequence)


def sequence_of(target: Target) -> SequentialTarget:
    """What particles and proposals in order run along.

    Raises:
        FlowgenError: if the target has no order.
    """
    if not isinstance(target, LevelsTarget):
        raise FlowgenError(
            "This method draws pixels in the model's own order, and this target has none: choose Gibbs, which needs "
            "the density alone."
        )
    return target.sequence
