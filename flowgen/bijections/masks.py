"""Masks of a coupling: which part of the input is kept, and conditions, and which is moved."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["Alternate", "Checkerboard", "Halves", "Mask"]


class Mask(Protocol):
    """Takes an input apart into what is kept and what is moved, and puts it together again."""

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(b, *event) -> kept, moved."""
        ...

    def merge(self, kept: Tensor, moved: Tensor) -> Tensor:
        """The inverse of split."""
        ...

    def shapes(self, event_shape: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Event shapes of what is kept and what is moved."""
        ...


@dataclass(frozen=True)
class Halves:
    """The first half of the channels (for vectors, coordinates) is kept and the rest moved, or the other way round.

    Where their number is odd, the first half is the smaller one.
    """

    swap: bool = False

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        half = x.shape[1] // 2
        first, second = x[:, :half], x[:, half:]
        return (second, first) if self.swap else (first, second)

    def merge(self, kept: Tensor, moved: Tensor) -> Tensor:
        return torch.cat((moved, kept) if self.swap else (kept, moved), 1)

    def shapes(self, event_shape: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        half = event_shape[0] // 2
        first, second = (half, *event_shape[1:]), (event_shape[0] - half, *event_shape[1:])
        return (second, first) if self.swap else (first, second)


@dataclass(frozen=True)
class Alternate:
    """The coordinates (channels) of even index are kept and those of odd index moved, or the other way round."""

    swap: bool = False

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        even, odd = x[:, ::2], x[:, 1::2]
        return (odd, even) if self.swap else (even, odd)

    def merge(self, kept: Tensor, moved: Tensor) -> Tensor:
        even, odd = (moved, kept) if self.swap else (kept, moved)
        x = even.new_empty(even.shape[0], even.shape[1] + odd.shape[1], *even.shape[2:])
        x[:, ::2], x[:, 1::2] = even, odd
        return x

    def shapes(self, event_shape: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        even, odd = ((event_shape[0] + 1) // 2, *event_shape[1:]), (event_shape[0] // 2, *event_shape[1:])
        return (odd, even) if self.swap else (even, odd)


@dataclass(frozen=True)
class Checkerboard:
    """The pixels whose row and column add up to an even number are kept and the others moved, or the other way round.

    Each 2x2 block holds two pixels of either colour, so a colour is handed to the conditioner densely, as two channels
    at half the resolution, and no convolution is spent on zeros as it would be on a masked image.

    Shape:
        x: (b, c, h, w) with h and w even; kept, moved: (b, 2 c, h/2, w/2).
    References:
        Density estimation using Real NVP (Dinh et al., 2016), arXiv:1605.08803, section 3.4
    """

    swap: bool = False

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        blocks = F.pixel_unshuffle(x, 2).unflatten(1, (x.shape[1], 4))
        even, odd = blocks[:, :, ::3].flatten(1, 2), blocks[:, :, 1:3].flatten(1, 2)
        return (odd, even) if self.swap else (even, odd)

    def merge(self, kept: Tensor, moved: Tensor) -> Tensor:
        pair = (kept.shape[1] // 2, 2)
        even, odd = (colour.unflatten(1, pair) for colour in ((moved, kept) if self.swap else (kept, moved)))
        blocks = torch.cat((even[:, :, :1], odd, even[:, :, 1:]), 2)
        return F.pixel_shuffle(blocks.flatten(1, 2), 2)

    def shapes(self, event_shape: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        c, h, w = event_shape
        if h % 2 or w % 2:
            raise ValueError(f"a checkerboard needs even sides, and the image is {h}x{w}")
        return (2 * c, h // 2, w // 2), (2 * c, h // 2, w // 2)
