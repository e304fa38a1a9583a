"""The learned split prior of multi-scale flows, as a bijection."""

import math
from typing import cast

import torch
from torch import Tensor

from flowgen.bijections.base import Bijection
from flowgen.bijections.coupling import AffineCoupling
from flowgen.bijections.reshape import channels_last
from flowgen.bijections.reversal import Reversal

__all__ = ["Split"]


class Split(Bijection):
    """Half of the channels leaves for the latent, whitened given the half that stays and goes on.

        z = [ rest(x_a), (x_b - mu(x_a)) * exp(s(x_a)) ],   log|det| = log|det rest| + sum s(x_a)

    Whitening given x_a is an affine coupling: a conditional Gaussian p(x_b | x_a) and a standard one for the latent are
    the same density. Encoding therefore loses nothing: z is one flat vector, coarse scales first.

    Args:
        whiten: the affine coupling that keeps x_a and moves x_b.
        rest: what happens to x_a; its latent is flat.
        moved_shape: event shape of x_b.
    Shape:
        x: (b, c, h, w); z: (b, d) with d = c h w.
    References:
        Density estimation using Real NVP (Dinh et al., 2016), arXiv:1605.08803, section 3.6; learned as in Glow's code.
    """

    def __init__(self, whiten: AffineCoupling, rest: Bijection, moved_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.whiten = whiten
        self.rest = rest
        self.moved_shape = moved_shape

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x, whitening = self.whiten(x)
        stays, leaves = self.whiten.mask.split(x)
        z, log_det = self.rest(stays)
        return torch.cat((z, leaves.flatten(1)), 1), log_det + whitening

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        z, leaves = self._part(z)
        stays, log_det = self.rest.inverse(z)
        x, colouring = self.whiten.inverse(self.whiten.mask.merge(stays, leaves))
        return x, log_det + colouring

    @property
    def reversible(self) -> bool:
        return self.whiten.reversible and self.rest.reversible

    def pull_back(self, z: Tensor, grad_z: Tensor, reversal: Reversal) -> tuple[Tensor, Tensor]:
        (z, leaves), (grad_z, grad_leaves) = self._part(z), self._part(grad_z)
        stays, grad_stays = self.rest.pull_back(z, grad_z, reversal)
        merge = self.whiten.mask.merge
        return self.whiten.pull_back(merge(stays, leaves), merge(grad_stays, grad_leaves), reversal)

    def initialize(self, x: Tensor) -> Tensor:
        x, _ = self.whiten(x)
        stays, leaves = self.whiten.mask.split(x)
        return torch.cat((self.rest.initialize(stays), leaves.flatten(1)), 1)

    def _part(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """The latent of what stayed, flat, and what left, in its own shape."""
        size = math.prod(self.moved_shape)
        z, leaves = z.split((z.shape[1] - size, size), 1)
        return z, channels_last(leaves.unflatten(1, self.moved_shape))

    def frozen(self) -> "Split":
        return Split(cast(AffineCoupling, self.whiten.frozen()), self.rest.frozen(), self.moved_shape)
