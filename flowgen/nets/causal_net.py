"""What a causal net is, and how it sees bytes."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flowgen.errors import FlowgenError
from flowgen.nets.causal import Pointwise

__all__ = ["ByteFeatures", "CausalNet", "check_shared"]


class CausalNet(nn.Module, ABC):
    """A net whose output at a pixel depends on the pixels before it in raster order, and on nothing else.

    Two ways lead to the same numbers. Forward takes whole images. The cached pass goes through a batch pixel by pixel,
    computing nothing twice: `init_cache`, then for each row `start_row`, for each pixel and group of channels `step`
    and `put`, and `end_row`. The cache holds the rows that the kernels reach, never the whole image. At any place
    `reindex` makes of it the cache of other images, each of which goes on from one of these.

    Attributes:
        groups: 1, or the number of colours where each sees those before it at its own pixel.
        out: the last layer, which gives the outputs.
    """

    groups: int
    out: Pointwise

    @abstractmethod
    def forward(self, levels: Tensor, label: Tensor | None = None) -> Tensor:
        """(b, c, h, w) integers and (b,) classes -> (b, num_outputs, h, w)."""

    @abstractmethod
    def init_cache(self, n: int, width: int, label: Tensor | None = None) -> Any:
        """The cache for n images of this width, at the start of their first row."""

    @abstractmethod
    def start_row(self, cache: Any) -> None:
        """Compute what depends on the rows above, for a whole row."""

    @abstractmethod
    def step(self, cache: Any, column: int, group: int = 0) -> Tensor:
        """The outputs of one group at one pixel of the current row: (n, num_outputs / groups)."""

    @abstractmethod
    def put(self, cache: Any, column: int, channel: int, levels: Tensor) -> None:
        """Tell the cache the levels of one channel of one pixel, (n,) integers."""

    @abstractmethod
    def end_row(self, cache: Any) -> None:
        """Take in the finished row."""

    @abstractmethod
    def reindex(self, cache: Any, ancestors: Tensor) -> Any:
        """A cache whose image i goes on from image ancestors[i] of this one, (m,) integers; this one stays as it is."""


class ByteFeatures(nn.Module):
    """Each level as a learned vector beside its value, since the value alone hides which levels occur.

    Args:
        levels: how many there are.
        size: of the vector.
    Shape:
        (b, c, h, w) integers -> (b, c (size + 1), h, w), grouped by channel.
    """

    def __init__(self, levels: int, size: int) -> None:
        super().__init__()
        self.levels = levels
        self.embedding = nn.Embedding(levels, size)
        self.width = size + 1

    def forward(self, levels: Tensor) -> Tensor:
        return F.embedding(levels.int(), self.table()).movedim(-1, 2).flatten(1, 2)

    def table(self) -> Tensor:
        """The features of every level, (levels, size + 1)."""
        weight = self.embedding.weight
        value = 2 * (torch.arange(self.levels, device=weight.device, dtype=weight.dtype) + 0.5) / self.levels - 1
        return torch.cat((weight, value[:, None]), 1)


def check_shared(hidden: int, groups: int) -> None:
    """Make sure that groups of channels can be of one size.

    Raises:
        FlowgenError: if they cannot.
    """
    if hidden % groups:
        raise FlowgenError(
            f"hidden is {hidden}; it must be a multiple of {groups}, for each colour has as many channels."
        )
