"""Chains of flow steps, in which an actnorm and the 1x1 convolution behind it are one product."""

from collections.abc import Iterable, Iterator
from typing import cast

import torch
from torch import Tensor

from flowgen.bijections.base import Bijection, Chain
from flowgen.bijections.linear import ActNorm, FixedConv1x1, InvertibleConv1x1, mix, positions

__all__ = ["Steps"]


class Steps(Chain):
    """The chain of these links, with each actnorm applied as part of the 1x1 convolution behind it.

    The links, their names in a checkpoint, and their map are those of a `Chain`.
    """

    def __init__(self, links: Iterable[Bijection]) -> None:
        super().__init__(links)
        self._applied = tuple(_joined([cast(Bijection, link) for link in self.links]))  # no part of the state

    def applied(self) -> tuple[Bijection, ...]:
        return self._applied


def _joined(links: list[Bijection]) -> Iterator[Bijection]:
    while links:
        match links:
            case [ActNorm() as norm, InvertibleConv1x1() as convolution, *links]:
                yield _NormalizedConv1x1(norm, convolution)
            case [link, *links]:
                yield link


class _NormalizedConv1x1(Bijection):
    """z = W diag(s) (x + loc), log|det| = h w (sum log s + log|det W|), as one product with a shift."""

    def __init__(self, norm: ActNorm, convolution: InvertibleConv1x1) -> None:
        super().__init__()
        self.norm = norm
        self.convolution = convolution

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        weight, shift = self._product()
        return mix(weight, x, shift), (positions(x) * self._log_abs_det()).expand(x.shape[0])

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        return mix(self._inverse_weight(), z, -self.norm.loc), (-positions(z) * self._log_abs_det()).expand(z.shape[0])

    @torch.no_grad()
    def frozen(self) -> FixedConv1x1:
        weight, shift = self._product()
        return FixedConv1x1(weight, self._inverse_weight(), self._log_abs_det(), shift, -self.norm.loc)

    def _product(self) -> tuple[Tensor, Tensor]:
        weight = self.convolution.weight() * self.norm.log_scale.exp()
        return weight, (weight * self.norm.loc).sum(1)

    def _inverse_weight(self) -> Tensor:
        return (-self.norm.log_scale).exp()[:, None] * self.convolution.inverse_weight()

    def _log_abs_det(self) -> Tensor:
        return self.norm.log_scale.sum() + self.convolution.log_s.sum()
