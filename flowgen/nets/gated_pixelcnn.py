"""Gated PixelCNN's net: a stack for the rows above and a stack for the pixels to the left, without a blind spot."""

import copy
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flowgen.nets.causal import AboveConv, LeftConv, LeftRow, Pointwise, RowsAbove
from flowgen.nets.causal_net import ByteFeatures, CausalNet, check_shared

__all__ = ["GatedPixelCNNNet"]


def gate(x: Tensor, groups: int) -> Tensor:
    """Of each group, tanh of its first half times sigmoid of its second: (b, 2 c, ...) -> (b, c, ...)."""
    if groups == 1:
        a, b = x.chunk(2, 1)
        return torch.tanh(a) * torch.sigmoid(b)
    a, b = x.unflatten(1, (groups, 2, -1)).unbind(2)
    return (torch.tanh(a) * torch.sigmoid(b)).flatten(1, 2)


class GatedPixelCNNNet(CausalNet):
    """Two stacks of gated convolutions.

        v' = gate(W_v * v + V_v y),   h' = h + W_r g,   g = gate(W_h * h + W_vh (W_v * v) + V_h y),   y the class
        gate(a, b) = tanh(a) sigmoid(b)

    The vertical stack v sees all rows above, the horizontal stack h the pixels to the left, and hears of v through 1x1
    convolutions; skip connections take every layer's gates g to the output.

    Args:
        channels: colours c.
        num_outputs: outputs a pixel, a multiple of groups.
        levels: values a pixel takes.
        hidden: channels of each stack, a multiple of groups.
        dilations: of the layers' convolutions.
        groups: 1, or c where colours see those before them.
        embedding: size of the learned vector of a level.
        num_classes: number of classes that it can be conditioned on.
    References:
        Conditional Image Generation with PixelCNN Decoders (van den Oord et al., 2016), arXiv:1606.05328
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
        self.above = AboveConv(width, hidden, rows=3, columns=7)
        self.left = LeftConv(width, hidden, taps=3, groups=groups, strict=True)
        last = len(dilations) - 1
        self.layers = nn.ModuleList(
            _Layer(hidden, dilation, groups, num_classes, last=i == last) for i, dilation in enumerate(dilations)
        )
        self.skip = Pointwise(len(dilations) * hidden, 2 * hidden, groups=groups)
        self.top = Pointwise(2 * hidden, 2 * hidden, groups=groups)
        self.out = Pointwise(2 * hidden, num_outputs, groups=groups)

    def forward(self, levels: Tensor, label: Tensor | None = None) -> Tensor:
        x = self.features(levels)
        v, h, gates = self.above(x), self.left(x), []
        for layer in self.layers:
            v, h, gated = layer(v, h, label)
            gates.append(gated)
        # All layers' gates, by group and then by layer.
        x = torch.stack(gates, 1).unflatten(2, (self.groups, -1)).transpose(1, 2).flatten(1, 3)
        out: Tensor = self.out(F.relu(self.top(F.relu(self.skip(x)))))
        return out

    def init_cache(self, n: int, width: int, label: Tensor | None = None) -> "_Cache":
        return _Cache(self, n, width, label)

    def start_row(self, cache: "_Cache") -> None:
        cache.start_row()

    def step(self, cache: "_Cache", column: int, group: int = 0) -> Tensor:
        return cache.step(column, group)

    def put(self, cache: "_Cache", column: int, channel: int, levels: Tensor) -> None:
        cache.put(column, channel, levels)

    def end_row(self, cache: "_Cache") -> None:
        cache.first.push(cache.left.finish())

    def reindex(self, cache: "_Cache", ancestors: Tensor) -> "_Cache":
        return cache.reindex(ancestors)


class _Layer(nn.Module):
    """One gated layer of both stacks; the last one's gates go to the output alone."""

    def __init__(self, hidden: int, dilation: int, groups: int, num_classes: int | None, *, last: bool) -> None:
        super().__init__()
        self.groups, self.hidden = groups, hidden
        self.vertical = AboveConv(hidden, 2 * hidden, rows=2, columns=3, dilation=dilation, current=True)
        self.across = Pointwise(2 * hidden, 2 * hidden)
        self.left = LeftConv(hidden, 2 * hidden, taps=1, dilation=dilation, groups=groups, bias=False)
        self.residual = None if last else Pointwise(hidden, hidden, groups=groups, bias=False)
        self.classes = nn.Embedding(num_classes, 4 * hidden) if num_classes else None

    def forward(self, v: Tensor, h: Tensor, label: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        below = self.vertical(v)
        beside = self.left(h) + self.across(below)
        if self.classes is not None and label is not None:
            for_v, for_h = self.classes(label)[:, :, None, None].chunk(2, 1)
            below, beside = below + for_v, beside + for_h
        gated = gate(beside, self.groups)
        return gate(below, 1), h if self.residual is None else h + self.residual(gated), gated


class _Cache:
    """For the vertical stack, the rows that it still reaches; for the horizontal one, what its current row awaits.

    The time of a pixel goes into launching small operations, so there are few. With sigmoid(b) = (1 + tanh(b / 2)) / 2
    a gate is one tanh and one product, twice the gate, whose halves the weights have absorbed. What a pixel tells the
    pixels to its right is added to what these await, for all layers in one batched product: a layer's row begins in
    `awaiting` so much later, the shorter its dilation, that what a pixel reaches has the same index in all of them.
    """

    def __init__(self, net: GatedPixelCNNNet, n: int, width: int, label: Tensor | None) -> None:
        self.layers = [cast(_Layer, layer) for layer in net.layers]
        self.groups, hidden, depth = net.groups, net.left.conv.out_channels, len(self.layers)
        self.table = net.features.table()
        self.first = RowsAbove(net.above, n, width)
        self.vertical = [RowsAbove(layer.vertical, n, width) for layer in self.layers]
        self.across = [(layer.across.biases()[0], layer.across.matrices()[0]) for layer in self.layers]
        self.left = LeftRow(net.left, n, width)
        self.classes = [layer.classes(label) if layer.classes and label is not None else None for layer in self.layers]
        assert net.left.conv.bias is not None
        self.bias = net.left.conv.bias.chunk(net.groups)

        part = hidden // net.groups
        new = net.left.conv.weight.new_zeros
        self.halves = torch.tensor([1.0, 0.5]).to(self.bias[0]).repeat_interleave(part).repeat(net.groups)
        taps = [
            (layer.left.conv.weight * layer.left.mask)[:, :, 0] * self.halves[:, None, None] for layer in self.layers
        ]
        self.beside = torch.stack([tap[..., 0].T for tap in taps])  # of each layer, to the pixel to the right
        self.own = [[columns.T.contiguous() for columns in tap[..., 1].chunk(net.groups)] for tap in taps]
        self.residual = [
            [matrix / 2 for matrix in layer.residual.matrices()] for layer in self.layers if layer.residual is not None
        ]
        self.skip = net.skip.biases(), [_by_layer(matrix, net.groups, depth) / 2 for matrix in net.skip.matrices()]
        self.top, self.out = ((x.biases(), x.matrices()) for x in (net.top, net.out))

        self.skipped, self.last = new(n, 2 * hidden), new(n, 2 * hidden)
        spacings = [layer.left.spacing for layer in self.layers]
        self.margin, self.starts = max(spacings), [max(spacings) - spacing for spacing in spacings]
        self._read(new(depth, n, hidden), new(n, depth * hidden), new(depth, max(spacings) + width, n, 2 * hidden))

    def _read(self, h: Tensor, gates: Tensor, awaiting: Tensor) -> None:
        """Take these tensors for the pixel's values and for what the row awaits, and name their parts once."""
        self.h, self.gates, self.awaiting = h, gates, awaiting
        self.streams = [one.chunk(self.groups, 1) for one in h]
        self.gated = [(one, one.chunk(self.groups, 1)) for one in gates.chunk(len(h), 1)]
        self.rows = [
            [[(both, *both.chunk(2, 1)) for both in pixel.chunk(self.groups, 1)] for pixel in row[start:]]
            for row, start in zip(awaiting, self.starts, strict=True)
        ]
        self.targets = awaiting[:, self.margin :].unbind(1)

    def reindex(self, ancestors: Tensor) -> "_Cache":
        other = copy.copy(self)
        other.first, other.left = self.first.reindex(ancestors), self.left.reindex(ancestors)
        other.vertical = [rows.reindex(ancestors) for rows in self.vertical]
        other.classes = [None if one is None else one[ancestors] for one in self.classes]
        other.skipped, other.last = self.skipped[ancestors], self.last[ancestors]
        other._read(self.h.index_select(1, ancestors), self.gates[ancestors], self.awaiting.index_select(2, ancestors))
        return other

    def start_row(self) -> None:
        """The vertical stack once, and what the horizontal one hears of it."""
        v = self.first.above()
        for i, (rows, (bias, matrix), classes) in enumerate(zip(self.vertical, self.across, self.classes, strict=True)):
            below = rows.along(v).flatten(0, 1)
            heard = torch.addmm(bias, below, matrix).unflatten(0, v.shape[:2])
            if classes is not None:
                for_v, for_h = classes.chunk(2, 1)
                below, heard = below + for_v.repeat(len(v), 1), heard + for_h
            v = gate(below, 1).unflatten(0, v.shape[:2])
            self.awaiting[i, self.starts[i] :].zero_()
            torch.mul(heard, self.halves, out=self.awaiting[i, self.starts[i] : self.starts[i] + len(v)])

    def step(self, j: int, group: int) -> Tensor:
        """Every layer's part of one group; what it reads of the groups before, it finds where they left it."""
        self.streams[0][group].copy_(self.left.apply(j, group, self.bias[group]))
        for i, (gates, places) in enumerate(self.gated):
            both, a, b = self.rows[i][j][group]
            torch.addmm(both, self.h[i], self.own[i][group], out=both).tanh_()
            torch.addcmul(a, a, b, out=places[group])
            if i < len(self.residual):
                torch.addmm(self.streams[i][group], gates, self.residual[i][group], out=self.streams[i + 1][group])
        if group == self.groups - 1:
            torch.baddbmm(self.targets[j], self.h, self.beside, out=self.targets[j])
        torch.addmm(self.skip[0][group], self.gates, self.skip[1][group], out=self._part(self.skipped, group)).relu_()
        torch.addmm(self.top[0][group], self.skipped, self.top[1][group], out=self._part(self.last, group)).relu_()
        return torch.addmm(self.out[0][group], self.last, self.out[1][group])

    def put(self, j: int, channel: int, levels: Tensor) -> None:
        size = self.table.shape[1]
        pixel = self.left.pixels[j + self.left.conv.reach]
        pixel[:, channel * size : (channel + 1) * size] = self.table[levels.long()]

    def _part(self, x: Tensor, group: int) -> Tensor:
        return x if self.groups == 1 else x.chunk(self.groups, 1)[group]


def _by_layer(matrix: Tensor, groups: int, layers: int) -> Tensor:
    """The rows of a matrix, that come by group and then by layer, by layer and then by group."""
    reordered: Tensor = matrix.unflatten(0, (groups, layers, -1)).transpose(0, 1).flatten(0, 2)
    return reordered
