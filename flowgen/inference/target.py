"""Targets: what a chain explores, and how its unknowns become a picture again."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from flowgen.data.images import midpoints, to_bytes
from flowgen.density import Density, StandardLogistic

if TYPE_CHECKING:
    from flowgen.models import ImageModel

__all__ = ["Levels", "Reals", "Space", "Target", "pixel_target"]


@dataclass(frozen=True)
class Reals:
    """Unknowns u in R^dim, in which log_density has a gradient."""

    dim: int


@dataclass(frozen=True)
class Levels:
    """Unknowns in {0, ..., levels - 1}^dim."""

    dim: int
    levels: int


Space = Reals | Levels


@dataclass(frozen=True)
class Target:
    """An unnormalised density over unknowns; its batch axis is the chains.

        log_density(u, beta) = log reference(u) + beta * log_likelihood(u)

    Args:
        log_likelihood: (chains, dim) -> (chains,), in nats.
        reference: what is left at beta = 0, and can be sampled; None stands for the constant 1.
        space: where u lives; a kernel declares which spaces it serves.
        to_image: (chains, dim) -> (chains, c, h, w) uint8 whole images, the known pixels untouched.
    """

    log_likelihood: Callable[[Tensor], Tensor]
    reference: Density | None
    space: Space
    to_image: Callable[[Tensor], Tensor]

    def log_density(self, u: Tensor, beta: float = 1.0) -> Tensor:
        """Log-density in nats, up to a constant: (chains, dim) -> (chains,). Gradients flow to u."""
        likelihood = beta * self.log_likelihood(u)
        return likelihood if self.reference is None else self.reference.log_prob(u) + likelihood


def pixel_target(model: "ImageModel", image: Tensor, known: Tensor, *, jacobian: bool = True) -> Target:
    """The hidden pixels given the known ones, exactly: p(x_hidden | x_known), in logit coordinates of the hidden pixels.

        x_hidden = sigmoid(u),   x_known = (k + 1/2) / L
        log_density(u) = log p(x) + sum log sigmoid(u) + log sigmoid(-u)     (the last two terms only with the Jacobian)

    Only hidden coordinates move; the known bytes stand at their midpoints. A model of all of R^d is treated as one of
    the unit box: the density is then p(x_hidden | x_known, 0 < x_hidden < 1), conditioned on what is known of every
    picture, that its pixels are intensities. Moving outside would spend the chain on values that no byte stands for,
    and clamping them afterwards would pile up mass on black and white that the model never put there.

    The Jacobian's sum is the log-density of a standard logistic, the law of u when each pixel is uniform: it is the
    target's reference, and tempering goes from uniform noise (beta = 0) to the posterior (beta = 1).

    Args:
        model: gives log_prob of (b, c, h, w) in [0, 1], with respect to Lebesgue measure on pixels.
        image: (c, h, w) bytes below `model.levels`.
        known: (c, h, w) bool, True where observed.
        jacobian: False gives the density per unit of pixel value, whose maximum is the most probable completion (MAP).
            It is not the density of u: chains that sample need the Jacobian.
    """
    anchor = model.prior.anchor
    shape = tuple(image.shape)
    levels = image.to(device=anchor.device, dtype=torch.uint8).flatten()
    hidden = (~known).flatten().nonzero().squeeze(1).to(anchor.device)
    canvas = midpoints(levels, model.levels).to(anchor)

    def log_likelihood(u: Tensor) -> Tensor:
        x = canvas.expand(u.shape[0], -1).index_copy(1, hidden, torch.sigmoid(u))
        return model.log_prob(x.unflatten(1, shape))

    def to_image(u: Tensor) -> Tensor:
        filled = to_bytes(torch.sigmoid(u.detach()), model.levels)
        return levels.expand(u.shape[0], -1).index_copy(1, hidden, filled).unflatten(1, shape)

    reference = StandardLogistic((hidden.numel(),)).to(anchor) if jacobian else None
    return Target(log_likelihood, reference, Reals(hidden.numel()), to_image)
