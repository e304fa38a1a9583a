"""Bijections that only move values about: their log-determinant is 0."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from flowgen.bijections.base import Bijection

__all__ = ["Flatten", "Squeeze", "channels_last"]


class Squeeze(Bijection):
    """Trade space for channels: each 2x2 block of pixels becomes one pixel of four times the channels.

    Channel 4 k + 2 i + j of the output holds row i, column j of the blocks of input channel k. The output lies in
    memory as channels_last, in which convolutions are quickest, and what follows keeps it so.

    Shape:
        x: (b, c, h, w) with h and w even; z: (b, 4 c, h/2, w/2).
    References:
        Density estimation using Real NVP (Dinh et al., 2016), arXiv:1605.08803, section 3.6
    """

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        b, c, h, w = x.shape
        blocks = x.unflatten(3, (w // 2, 2)).unflatten(2, (h // 2, 2)).permute(0, 2, 4, 1, 3, 5)
        z = blocks.reshape(b, h // 2, w // 2, 4 * c).permute(0, 3, 1, 2)
        return z, x.new_zeros(b)

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
        return channels_last(z.reshape(z.shape[0], *self.event_shape)), z.new_zeros(z.shape[0])


def channels_last(x: Tensor) -> Tensor:
    """Images as they lie in memory where convolutions are quickest; vectors as they are."""
    return x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x
