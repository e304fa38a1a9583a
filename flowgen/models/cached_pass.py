"""The cached pass: a batch of images, position after position in raster order, with nothing computed twice."""

import copy
import math
from typing import Self

import torch
from torch import Tensor

from flowgen.interruption import checkpoint
from flowgen.models.factors import Factor
from flowgen.nets.causal_net import CausalNet

__all__ = ["CachedPass"]


class CachedPass:
    """Images under way: the law of the next position, and a place to put its level.

        p(k_t | k_<t) = sum_y w_y p(k_t | k_<t, y),   w_y = p(y | k_<t)

    A model of classes carries all of them along, weighed by how well each has predicted so far, so that what is chosen
    from is the mixture's own conditional. A position's `log_probs` are asked for, once or more, and then `put` goes on
    to the next one; `reindex` at any time between.

    Args:
        net: the causal net.
        factor: the distribution of one position.
        event_shape: (c, h, w).
        n: how many images.
        label: the class of all, where it is fixed.
        num_classes: how many classes to mix, or None.
        device: where the model is.
    """

    def __init__(
        self,
        net: CausalNet,
        factor: Factor,
        event_shape: tuple[int, ...],
        n: int,
        *,
        label: int | None,
        num_classes: int | None,
        device: torch.device,
    ) -> None:
        self.net, self.factor, self.event_shape = net, factor, event_shape
        self.n, self.classes = n, num_classes or 1
        self.index: int = 0
        self.weights = torch.full((n, self.classes, 1), -math.log(self.classes), dtype=torch.float64, device=device)
        self.pixel = torch.empty(n * self.classes, event_shape[0], dtype=torch.long, device=device)
        self.parameters: Tensor | None = None  # of the pixel's latest group
        self.each: Tensor | None = None  # the position's log-probabilities by each class, once they are known
        labels = torch.arange(num_classes, device=device).repeat(n) if num_classes else None
        labels = labels if label is None else torch.full((n,), label, device=device)
        self.cache = net.init_cache(n * self.classes, event_shape[2], labels)

    @property
    def at(self) -> tuple[int, int, int]:
        """The next position: channel, row, column."""
        channels, _, width = self.event_shape
        pixel, channel = divmod(self.index, channels)
        return channel, *divmod(pixel, width)

    def log_probs(self) -> Tensor:
        """Of all levels at the next position, given what was put before it: (n, levels), in nats and float64."""
        each = self._by_class()
        return torch.logsumexp(each + self.weights, 1) if self.classes > 1 else each[:, 0]

    def put(self, levels: Tensor) -> None:
        """Set the next position's levels, (n,) integers, and go on to the one after it."""
        checkpoint()  # the cached pass computes by its layers' weights, not by calling the layers
        each = self._by_class()
        channel, _, column = self.at
        if self.classes > 1:
            chosen = each.gather(2, levels[:, None, None].expand(-1, self.classes, 1))
            self.weights = torch.log_softmax(self.weights + chosen, 1)
            levels = levels.repeat_interleave(self.classes)
        self.net.put(self.cache, column, channel, levels)
        self.pixel[:, channel] = levels
        self.each = None
        self.index += 1
        if self.index % (self.event_shape[0] * self.event_shape[2]) == 0:
            self.net.end_row(self.cache)

    def reindex(self, ancestors: Tensor) -> Self:
        """Another pass, whose image i goes on from where image ancestors[i] of this one is; this one stays as it is.

        Args:
            ancestors: (m,) integers, in any order and each as often as wanted.
        """
        other = copy.copy(self)
        entries = (ancestors[:, None] * self.classes + torch.arange(self.classes, device=ancestors.device)).flatten()
        other.n = len(ancestors)
        other.cache = self.net.reindex(self.cache, entries)
        other.pixel, other.weights = self.pixel[entries], self.weights[ancestors]
        other.parameters = None if self.parameters is None else self.parameters[entries]
        other.each = None if self.each is None else self.each[ancestors]
        return other

    def _by_class(self) -> Tensor:
        """The next position's log-probabilities by each class, (n, classes, levels), worked out once."""
        if self.each is None:
            channel, _, column = self.at
            if channel == column == 0:
                self.net.start_row(self.cache)
            if channel < self.net.groups:
                self.parameters = self.net.step(self.cache, column, channel)
            assert self.parameters is not None
            self.each = self.factor.log_probs(self.parameters, self.pixel[:, :channel]).view(self.n, self.classes, -1)
        return self.each
