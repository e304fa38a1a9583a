"""Bijections: maps with an inverse whose change of volume is known."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from itertools import groupby
from typing import cast

import torch
from torch import Tensor, nn

from flowgen.bijections.reversal import Reversal, apply_reversibly, apply_storing

__all__ = ["Bijection", "Chain", "Inverse"]


class Bijection(nn.Module, ABC):
    """A map from data to latent, its inverse, and the logarithm of what each does to volume.

    Forward is always from data to latent, so `log p(x) = log prior(z) + log|det dz/dx|`. Nothing in here decides about
    gradients: callers do.
    """

    @abstractmethod
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(b, *event) -> z of (b, *latent) and log|det dz/dx| of (b,), in nats."""

    @abstractmethod
    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """(b, *latent) -> x of (b, *event) and log|det dx/dz| of (b,), in nats."""

    def initialize(self, x: Tensor) -> Tensor:
        """Set what starts from data by a first batch, and return what the next bijection will see."""
        return cast(Tensor, self(x)[0])

    @property
    def reversible(self) -> bool:
        """Whether the input comes back from the output up to rounding, at about the cost of forward."""
        return True

    def pull_back(self, z: Tensor, grad_z: Tensor, reversal: Reversal) -> tuple[Tensor, Tensor]:
        """One link of a backward pass that stores nothing: from the output z and its gradient to x and its gradient."""
        with torch.no_grad():
            x = self.inverse(z)[0]
        x.requires_grad_()
        with torch.enable_grad():
            outputs = self(x)
        (grad_x,) = reversal.differentiate(self, outputs, grad_z, [x])
        return x.detach(), grad_x

    def frozen(self) -> "Bijection":
        """The same map for many calls: all that depends on parameters alone is worked out once.

        It shares the parameters that it keeps and is not to be trained.
        """
        return self


class Chain(Bijection):
    """Bijections one after the other: z = f_n(... f_1(x)), and the log-determinants add up.

    Attributes:
        recomputes: whether the backward pass recomputes the activations of reversible links instead of keeping them.
    """

    def __init__(self, links: Iterable[Bijection]) -> None:
        super().__init__()
        self.links = nn.ModuleList(links)
        self.recomputes = False

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if not (self.recomputes and torch.is_grad_enabled()):
            return apply_storing(self.applied(), x)
        log_det = x.new_zeros(x.shape[0])
        for reversible, links in groupby(self.applied(), lambda link: link.reversible):
            x, change = (apply_reversibly if reversible else apply_storing)(list(links), x)
            log_det = log_det + change
        return x, log_det

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        log_det = z.new_zeros(z.shape[0])
        for link in reversed(self.applied()):
            z, change = link.inverse(z)
            log_det = log_det + change
        return z, log_det

    @property
    def reversible(self) -> bool:
        return all(link.reversible for link in self.applied())

    def pull_back(self, z: Tensor, grad_z: Tensor, reversal: Reversal) -> tuple[Tensor, Tensor]:
        for link in reversed(self.applied()):
            z, grad_z = link.pull_back(z, grad_z, reversal)
        return z, grad_z

    def initialize(self, x: Tensor) -> Tensor:
        for link in self.links:
            x = cast(Bijection, link).initialize(x)
        return x

    def frozen(self) -> "Chain":
        return Chain(link.frozen() for link in self.applied())

    def applied(self) -> tuple["Bijection", ...]:
        """The bijections that make up the map, in order."""
        return tuple(cast(Bijection, link) for link in self.links)


class Inverse(Bijection):
    """A bijection turned round; an inverse autoregressive flow is `Inverse` of a masked autoregressive bijection."""

    def __init__(self, bijection: Bijection) -> None:
        super().__init__()
        self.bijection = bijection

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.bijection.inverse(x)

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        return cast(tuple[Tensor, Tensor], self.bijection(z))

    @property
    def reversible(self) -> bool:
        return self.bijection.reversible

    def frozen(self) -> "Inverse":
        return Inverse(self.bijection.frozen())
