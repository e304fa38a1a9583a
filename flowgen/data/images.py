"""Images as bytes and as floats: level k of L occupies the interval [k/L, (k+1)/L) of [0, 1].

A density lives on the floats, a data set and a picture on the bytes; these three functions are the only way between.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from flowgen.errors import FlowgenError

__all__ = ["Images", "dequantize", "midpoints", "to_bytes"]

_EDGE = 2.0**-15  # closer to a level's ends than this, float32 rounds 255 + u up to 256


@dataclass(frozen=True, eq=False)
class Images:
    """The images of one split of a data set, whole and in memory.

    Args:
        levels: (n, c, h, w) uint8.
        labels: (n,) int64, or None where the data set has no classes.
        class_names: the name of class i at position i; empty where there are none.
        horizontal_flips: whether a mirrored image belongs to the data as much as the image itself.
    """

    levels: Tensor
    labels: Tensor | None
    class_names: tuple[str, ...]
    horizontal_flips: bool

    def __post_init__(self) -> None:
        if self.levels.dtype != torch.uint8 or self.levels.ndim != 4:
            raise FlowgenError(f"Images are uint8 of shape (n, c, h, w), not {_described(self.levels)}.")
        if self.labels is not None and self.labels.shape != self.levels.shape[:1]:
            raise FlowgenError(f"{len(self.labels)} labels do not fit {len(self.levels)} images: each image needs one.")

    def __len__(self) -> int:
        return len(self.levels)

    @property
    def event_shape(self) -> tuple[int, int, int]:
        """The shape (c, h, w) of one image."""
        channels, height, width = self.levels.shape[1:]
        return channels, height, width


def dequantize(k: Tensor, u: Tensor, levels: int = 256) -> Tensor:
    """Spread each level over its interval: x = (k + u) / L, with u held within [2^-15, 1 - 2^-15].

    Inside these bounds `to_bytes` returns every k exactly, in float32 and in float64.

    Args:
        k: integers in 0..L-1, of any shape.
        u: floats in [0, 1], of the same shape; float32 or float64, and so is the result.

    >>> dequantize(torch.tensor([0, 255]), torch.tensor([0.5, 0.5]))
    tensor([0.0020, 0.9980])
    """
    return (k + u.clamp(_EDGE, 1 - _EDGE)) / levels


def midpoints(k: Tensor, levels: int = 256) -> Tensor:
    """The middle of each level's interval, x = (k + 1/2) / L, in the default float type.

    >>> midpoints(torch.tensor([0, 1]), levels=2)
    tensor([0.2500, 0.7500])
    """
    return (k + 0.5) / levels


def to_bytes(x: Tensor, levels: int = 256) -> Tensor:
    """The level that each value lies in, k = min(L - 1, floor(L x)), and 0 below 0; uint8, shaped like x.

    Values outside [0, 1] go to the nearest level. x must be finite.

    >>> to_bytes(torch.tensor([-0.1, 0.0, 0.5, 1.0, 1.7]))
    tensor([  0,   0, 128, 255, 255], dtype=torch.uint8)
    """
    return (x * levels).floor().clamp(0, levels - 1).to(torch.uint8)


def _described(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} of shape {tuple(tensor.shape)}"
