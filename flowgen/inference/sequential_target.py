"""A target that completes in order: what particle methods draw and weigh, one position after another."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from flowgen.errors import FlowgenError

if TYPE_CHECKING:
    from flowgen.models.image_model import Pass, Sequential

__all__ = ["Partial", "SequentialTarget", "draw_index"]


@dataclass
class Partial:
    """Completions under way, n at once; `SequentialTarget.advance` takes them on.

    Attributes:
        images: the model's pass, known positions included.
        position: the hidden levels in raster order, (n, dim) integers, 0 where nothing is drawn yet.
        filled: how many of them are drawn.
        log_mass: of all that was put, known and hidden, (n,) in nats.
    """

    images: "Pass"
    position: Tensor
    filled: int
    log_mass: Tensor


@dataclass(frozen=True)
class SequentialTarget:
    """The mass of hidden and known levels together, factor by factor in raster order.

        p(hidden, known) = prod_t p(k_t | k_<t)

    Where t is hidden its factor is drawn from, and where it is known it weighs what was drawn before. All that comes
    before the first hidden position is the same for all, and is gone through once.

    Args:
        model: draws in raster order.
        image: (c, h, w) bytes below `model.levels`.
        known: (c, h, w) bool, True where observed.
    """

    model: "Sequential"
    image: Tensor
    known: Tensor

    @cached_property
    def hidden(self) -> list[bool]:
        """Of each position in raster order, a pixel's colours one after another, whether it is hidden."""
        order: list[bool] = (~self.known).movedim(0, -1).flatten().tolist()
        return order

    @cached_property
    @torch.no_grad()
    def prefix(self) -> Partial:
        """One image at the first hidden position.

        Raises:
            FlowgenError: if the model gives a known level before it probability 0.
        """
        images = self.model.begin(1)
        device = self.model.prior.anchor.device
        position = torch.zeros(1, sum(self.hidden), dtype=torch.long, device=device)
        partial = Partial(images, position, 0, torch.zeros(1, dtype=torch.float64, device=device))
        while not self.hidden[images.index]:
            at = images.at
            if not bool(self.advance(partial).isfinite().all()):
                raise impossible(self, at)
        return partial

    def init(self, n: int) -> Partial:
        """Of n completions, the start: at the first hidden position."""
        return self.reindex(self.prefix, torch.zeros(n, dtype=torch.long, device=self.prefix.log_mass.device))

    def finished(self, partial: Partial) -> bool:
        """Whether every position is put."""
        return partial.images.index == len(self.hidden)

    def hidden_next(self, partial: Partial) -> bool:
        """Whether the next position is hidden."""
        return self.hidden[partial.images.index]

    def advance(self, partial: Partial, u: Tensor | None = None, given: Tensor | None = None) -> Tensor:
        """Put the next position: what is known, or a level drawn from the model's conditional.

        Args:
            partial: is changed.
            u: (n,) uniforms in (0, 1), for a hidden position.
            given: (n,) levels for a hidden position, -1 where one is to be drawn.

        Returns:
            (n,) the log-probability of what was put, given all before it.
        """
        log_probs, at = partial.images.log_probs(), partial.images.at
        if self.hidden_next(partial):
            assert u is not None
            k = draw_index(log_probs, u)
            k = k if given is None else torch.where(given < 0, k, given)
            partial.position[:, partial.filled] = k
            partial.filled += 1
        else:
            k = self.image[at].long().expand(len(log_probs))
        log_prob = log_probs.gather(1, k[:, None])[:, 0]
        partial.images.put(k)
        partial.log_mass = partial.log_mass + log_prob
        return log_prob

    def reindex(self, partial: Partial, ancestors: Tensor) -> Partial:
        """Other completions, of which number i goes on from number ancestors[i] of these; these stay as they are."""
        return Partial(
            partial.images.reindex(ancestors), partial.position[ancestors], partial.filled, partial.log_mass[ancestors]
        )


def draw_index(log_weights: Tensor, u: Tensor) -> Tensor:
    """Indices with probabilities proportional to exp(log_weights): (n, m) and uniforms (n,) or (n, r) -> like u.

    The inverse of the cumulative sum, taken to the right, so that a weight of 0 is never chosen.
    """
    cumulative = torch.softmax(log_weights.double(), -1).cumsum(-1)
    cumulative = cumulative / cumulative[:, -1:]
    flat = u.to(cumulative).reshape(len(u), -1).contiguous()
    index = torch.searchsorted(cumulative, flat, right=True).clamp_max(log_weights.shape[-1] - 1)
    return index.view(u.shape)


def impossible(target: SequentialTarget, at: tuple[int, int, int]) -> FlowgenError:
    """What to say where a known level has probability 0."""
    _, row, column = at
    return FlowgenError(
        f"The model finds this picture impossible: it gives the known level {int(target.image[at])} at row {row}, "
        f"column {column} probability 0. Hide that pixel too, or choose another model or seed."
    )
