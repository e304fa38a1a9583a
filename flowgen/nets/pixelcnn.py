"""PixelCNN's net: masked convolutions in residual blocks."""

import copy
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flowgen.nets.causal import AboveConv, LeftConv, LeftRow, Pointwise, RowsAbove
from flowgen.nets.causal_net import ByteFeatures, CausalNet, check_shared

__all__ = ["PixelCNNNet"]


class PixelCNNNet(CausalNet):
    """Masked convolutions: one of 7x7 with mask A, then residual blocks with mask B.

    A block adds to its input: relu, 1x1 to half the channels, relu, a masked 3x3, relu, 1x1 back. Each masked
    convolution sees the rows above and the pixels to the left, so that stacked ones leave out a wedge to the upper
    right of a pixel, the blind spot that the gated net was made to close.

    Args:
        channels: colours c.
        num_outputs: outputs a pixel, a multiple of groups.
        levels: values a pixel takes.
        hidden: channels of a block's convolution; the residual stream has twice as many.
        dilations: of the blocks' masked convolutions.
        groups: 1, or c where colours see those before them.
        embedding: size of the learned vector of a level.
        num_classes: number of classes that it can be conditioned on.
    References:
        Pixel Recurrent Neural Networks (van den Oord et al., 2016), arXiv:1601.06759
    """

    def __init__(
        self,
        channels: int,
        num_outputs: int,
        *,
        levels: int,
        hidden: int,
        dilations: Sequence[int],
        groups: int = 1,
        embedding: int = 16,
        num_classes: int | None = None,
    ) -> None:
        super().__init__()
        check_shared(hidden, groups)
        self.groups = groups
        self.features = ByteFeatures(levels, embedding)
        width = channels * self.features.width
        self.above = AboveConv(width, 2 * hidden, rows=3, columns=7)
        self.left = LeftConv(width, 2 * hidden, taps=3, groups=groups, strict=True, bias=False)
        self.classes = nn.Embedding(num_classes, 2 * hidden) if num_classes else None
        self.blocks = nn.ModuleList(_Block(hidden, dilation, groups) for dilation in dilations)
        self.top = Pointwise(2 * hidden, 2 * hidden, groups=groups)
        self.out = Pointwise(2 * hidden, num_outputs, groups=groups)

    def forward(self, levels: Tensor, label: Tensor | None = None) -> Tensor:
        x = self.features(levels)
        x = self.above(x) + self.left(x)
        if self.classes is not None and label is not None:
            x = x + self.classes(label)[:, :, None, None]
        for block in self.blocks:
            x = block(x)
        x = F.relu(self.top(F.relu(x)))
        out: Tensor = self.out(x)
        return out

    def init_cache(self, n: int, width: int, label: Tensor | None = None) -> "_PixelCNNCache":
        return _PixelCNNCache(self, n, width, label)

    def start_row(self, cache: "_PixelCNNCache") -> None:
        cache.start_row()

    def step(self, cache: "_PixelCNNCache", column: int, group: int = 0) -> Tensor:
        return cache.step(column, group)

    def put(self, cache: "_PixelCNNCache", column: int, channel: int, levels: Tensor) -> None:
        cache.put(column, channel, levels)

    def end_row(self, cache: "_PixelCNNCache") -> None:
        cache.end_row()

    def reindex(self, cache: "_PixelCNNCache", ancestors: Tensor) -> "_PixelCNNCache":
        return cache.reindex(ancestors)


class _Block(nn.Module):
    """x + conv1x1(relu(masked3x3(relu(conv1x1(relu(x))))))."""

    def __init__(self, hidden: int, dilation: int, groups: int) -> None:
        super().__init__()
        self.narrow = Pointwise(2 * hidden, hidden, groups=groups)
        self.above = AboveConv(hidden, hidden, rows=1, columns=3, dilation=dilation)
        self.left = LeftConv(hidden, hidden, taps=1, dilation=dilation, groups=groups, bias=False)
        self.widen = Pointwise(hidden, 2 * hidden, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.narrow(F.relu(x)))
        y = F.relu(self.above(y) + self.left(y))
        return cast(Tensor, x + self.widen(y))


class _PixelCNNCache:
    """For each masked convolution the rows it still reaches and its current row; for each block one pixel's values."""

    def __init__(self, net: PixelCNNNet, n: int, width: int, label: Tensor | None) -> None:
        self.groups, self.blocks = net.groups, [cast(_Block, block) for block in net.blocks]
        self.label = None if net.classes is None or label is None else net.classes(label)
        self.table = net.features.table()
        self.left = LeftRow(net.left, n, width)
        self.above = [RowsAbove(conv, n, width) for conv in (net.above, *(block.above for block in self.blocks))]
        self.lefts = [LeftRow(block.left, n, width) for block in self.blocks]
        self.narrow = [(block.narrow.biases(), block.narrow.matrices()) for block in self.blocks]
        self.widen = [block.widen.matrices() for block in self.blocks]
        self.top, self.out = ((layer.biases(), layer.matrices()) for layer in (net.top, net.out))
        stream = net.left.conv.weight.new_zeros(n, net.top.in_channels)
        self.streams = [torch.zeros_like(stream) for _ in range(len(self.blocks) + 1)]
        self.inner = [stream[:, ::2].clone() for _ in self.blocks]
        self.last = torch.zeros_like(stream)
        self.rows: list[tuple[Tensor, ...]] = []

    def start_row(self) -> None:
        rows = [rows.above() for rows in self.above]
        if self.label is not None:
            rows[0] = rows[0] + self.label
        self.rows = [row.chunk(self.groups, 2) for row in rows]

    def step(self, j: int, group: int) -> Tensor:
        """Every layer's part of one group; what it reads of the groups before, it finds where they left it."""
        x = self.left.apply(j, group, self.rows[0][group][j])
        self._part(self.streams[0], group).copy_(x)
        for b, left in enumerate(self.lefts):
            bias, matrix = self.narrow[b][0][group], self.narrow[b][1][group]
            torch.relu_(left.parts[j][group].copy_(torch.addmm(bias, F.relu(self.streams[b]), matrix)))
            self._part(self.inner[b], group).copy_(F.relu(left.apply(j, group, self.rows[b + 1][group][j])))
            x = torch.addmm(x, self.inner[b], self.widen[b][group])
            self._part(self.streams[b + 1], group).copy_(x)
        top = torch.addmm(self.top[0][group], F.relu(self.streams[-1]), self.top[1][group])
        self._part(self.last, group).copy_(F.relu(top))
        return torch.addmm(self.out[0][group], self.last, self.out[1][group])

    def put(self, j: int, channel: int, levels: Tensor) -> None:
        size = self.table.shape[1]
        pixel = self.left.pixels[j + self.left.conv.reach]
        pixel[:, channel * size : (channel + 1) * size] = self.table[levels.long()]

    def end_row(self) -> None:
        for above, left in zip(self.above, [self.left, *self.lefts], strict=True):
            above.push(left.finish())

    def reindex(self, ancestors: Tensor) -> "_PixelCNNCache":
        other = copy.copy(self)
        other.label = None if self.label is None else self.label[ancestors]
        other.left = self.left.reindex(ancestors)
        other.above = [rows.reindex(ancestors) for rows in self.above]
        other.lefts = [row.reindex(ancestors) for row in self.lefts]
        other.streams = [stream[ancestors] for stream in self.streams]
        other.inner = [inner[ancestors] for inner in self.inner]
        other.last = self.last[ancestors]
        other.rows = [tuple(part.index_select(1, ancestors) for part in row) for row in self.rows]
        return other

    def _part(self, x: Tensor, group: int) -> Tensor:
        return x if self.groups == 1 else x.chunk(self.groups, 1)[group]
