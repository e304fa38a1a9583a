"""Bijections that only move values about: their log-determinant is 0."""

import math

from torch import Tensor
from torch.nn import functional as F

from flowgen.bijections.base import Bijection

__all__ = ["Flatten", "Squeeze"]


class Squeeze(Bijection):
    """Trade space for channels: each 2x2 block of pixels becomes one pixel of four times the channels.

    Channel 4 k + 2 i + j of the output holds row i, column j of the blocks of input channel k.

    Shape:
        x: (b, c, h, w) with h and w even; z: (b, 4 c, h/2, w/2).
    References:
        Density estimation using Real NVP (Dinh et al., 2016), arXiv:1605.08803, section 3.6
    """

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return F.pixel_unshuffle(x, 2), x.new_zeros(x.shape[0])

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        return F.pixel_shuffle(z, 2), z.new_zeros(z.shape[0])


class Flatten(Bijection):
    """An image as one vector, in the order channel, row, column.

    Args:
        event_shape: (c, h, w).
    Shape:
        x: (b, c, h, w); z: (b, c h w).
    """

    def __init__(self, event_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.event_shape = tuple(event_shape)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x.reshape(x.shape[0], math.prod(self.event_shape)), x.new_zeros(x.shape[0])

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        return z.reshape(z.shape[0], *self.event_shape), z.new_zeros(z.shape[0])
