"""Causal convolutions: a pixel sees what comes before it in raster order, all at once or pixel by pixel with a cache.

A masked convolution is the sum of two dense ones: over the rows above, and over the pixels to the left (and the pixel
itself, where the mask allows it). Nothing is multiplied by a zero of a mask, the part above can be computed a row at a
time, and only the part to the left remains for each pixel.

Channels come in groups, one for each colour (or a single one): at a pixel itself, group g sees the groups before it
(mask A) or also itself (mask B).
"""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["AboveConv", "LeftConv", "LeftRow", "Pointwise", "RowsAbove", "group_mask"]


def group_mask(channels_out: int, channels_in: int, groups: int, *, strict: bool) -> Tensor:
    """(channels_out, channels_in) of 0 and 1: group g sees the groups before it and, unless strict, itself."""
    of_out = torch.arange(channels_out) // (channels_out // groups)
    of_in = torch.arange(channels_in) // (channels_in // groups)
    seen = of_in[None] < of_out[:, None] if strict else of_in[None] <= of_out[:, None]
    return seen.to(torch.get_default_dtype())


class AboveConv(nn.Conv2d):
    """A convolution over rows above a pixel.

    Args:
        channels_in, channels_out: channels.
        rows: how many rows, `dilation` apart.
        columns: how many columns, an odd number, `dilation` apart.
        dilation: distance between taps.
        current: the lowest row is the pixel's own (for features that already lag a row), not the one above.
    Shape:
        (b, channels_in, h, w) -> (b, channels_out, h, w).
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        *,
        rows: int,
        columns: int,
        dilation: int = 1,
        current: bool = False,
    ) -> None:
        super().__init__(channels_in, channels_out, (rows, columns), dilation=dilation)
        self.side = dilation * (columns // 2)
        self.spacing = dilation
        self.lag = 0 if current else dilation
        self.reach = (rows - 1) * dilation + self.lag

    def forward(self, x: Tensor) -> Tensor:
        height = x.shape[2]
        padded = F.pad(x, (self.side, self.side, self.reach, 0))
        return super().forward(padded[:, :, : height + self.reach - self.lag])

    def matrix(self) -> Tensor:
        """The matrix from the taps, row by row and leftmost first, to the outputs: (rows columns c_in, c_out)."""
        return self.weight.permute(2, 3, 1, 0).flatten(0, 2)


class LeftConv(nn.Module):
    """A convolution over the pixels to the left, and as much of the pixel itself as its mask allows.

    Args:
        channels_in, channels_out: channels, multiples of groups.
        taps: how many pixels to the left, `dilation` apart.
        dilation: distance between taps.
        groups: groups of channels.
        strict: mask A; otherwise mask B.
        bias: add a bias.
    Shape:
        (b, channels_in, h, w) -> (b, channels_out, h, w).
    """

    mask: Tensor

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        *,
        taps: int,
        dilation: int = 1,
        groups: int = 1,
        strict: bool = False,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.own = not (strict and groups == 1)
        self.conv = nn.Conv2d(channels_in, channels_out, (1, taps + self.own), dilation=dilation, bias=bias)
        self.taps, self.spacing, self.groups = taps, dilation, groups
        mask = torch.ones_like(self.conv.weight)
        if self.own:
            mask[:, :, 0, -1] = group_mask(channels_out, channels_in, groups, strict=strict)
        self.register_buffer("mask", mask, persistent=False)

    @property
    def reach(self) -> int:
        """How far to the left it looks, in pixels."""
        return self.taps * self.spacing

    def forward(self, x: Tensor) -> Tensor:
        width = x.shape[3]
        padded = F.pad(x, (self.reach, 0))
        if not self.own:
            padded = padded[..., : width + self.reach - self.spacing]
        weight = self.conv.weight if self.groups == 1 else self.conv.weight * self.mask
        return F.conv2d(padded, weight, self.conv.bias, dilation=self.conv.dilation)

    def matrices(self) -> list[Tensor]:
        """For each group of outputs, the matrix from the taps, leftmost first, to it: (taps c_in, c_out / groups)."""
        weight = (self.conv.weight * self.mask)[:, :, 0].transpose(1, 2).flatten(1)
        return [part.T.contiguous() for part in weight.chunk(self.groups)]


class Pointwise(nn.Conv2d):
    """A 1x1 convolution with mask B between groups of channels.

    Shape:
        (b, channels_in, h, w) -> (b, channels_out, h, w).
    """

    mask: Tensor

    def __init__(self, channels_in: int, channels_out: int, *, groups: int = 1, bias: bool = True) -> None:
        super().__init__(channels_in, channels_out, 1, bias=bias)
        self.ordered = groups
        mask = group_mask(channels_out, channels_in, groups, strict=False)[:, :, None, None]
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight if self.ordered == 1 else self.weight * self.mask
        return F.conv2d(x, weight, self.bias)

    def matrices(self) -> list[Tensor]:
        """For each group of outputs, the matrix that takes a pixel's features to it: (c_in, c_out / groups)."""
        weight = (self.weight * self.mask).flatten(1)
        return [part.T.contiguous() for part in weight.chunk(self.ordered)]

    def biases(self) -> list[Tensor]:
        """For each group of outputs, its bias: (c_out / groups,)."""
        assert self.bias is not None
        return list(self.bias.chunk(self.ordered))


class RowsAbove:
    """The rows of features that an AboveConv still needs, and no more, each with its margins: (w + 2 side, n, c_in).

    One product takes all taps of a row to its outputs: a convolution of so few pixels spends its time on being set up.
    """

    def __init__(self, conv: AboveConv, n: int, width: int) -> None:
        assert conv.bias is not None
        self.conv, self.width = conv, width
        self.matrix, self.bias = conv.matrix(), conv.bias
        self.columns = range(0, 2 * conv.side + 1, conv.spacing)
        self.rows = [conv.weight.new_zeros(width + 2 * conv.side, n, conv.in_channels) for _ in range(conv.reach)]

    def above(self) -> Tensor:
        """The convolution over the rows seen so far, for the row that comes next: (width, n, c_out)."""
        return self._over(self.rows[: self.conv.reach + 1 - self.conv.lag])

    def reindex(self, ancestors: Tensor) -> "RowsAbove":
        """Another, whose image i goes on from where image ancestors[i] of this one is; this one is left as it is."""
        other = copy.copy(self)
        other.rows = [row[:, ancestors] for row in self.rows]
        return other

    def along(self, row: Tensor) -> Tensor:
        """The convolution with this row as the current one, which is taken in: (width, n, c_out)."""
        rows = [*self.rows, self._with_margins(row)]
        self.rows = rows[1:]
        return self._over(rows)

    def push(self, row: Tensor) -> None:
        """Take in a finished row, (width, n, channels)."""
        self.rows = [*self.rows, self._with_margins(row)][1:]

    def _over(self, rows: list[Tensor]) -> Tensor:
        """The convolution over rows from that of its uppermost tap to that of its lowest."""
        taps = [row[j : j + self.width] for row in rows[:: self.conv.spacing] for j in self.columns]
        out = torch.addmm(self.bias, torch.cat(taps, 2).flatten(0, 1), self.matrix)
        return out.view(self.width, -1, self.conv.out_channels)

    def _with_margins(self, row: Tensor) -> Tensor:
        return F.pad(row, (0, 0, 0, 0, self.conv.side, self.conv.side))


class LeftRow:
    """The current row of features that a LeftConv reads, with its margin of zeros: (reach + width, n, channels)."""

    def __init__(self, conv: LeftConv, n: int, width: int) -> None:
        self.conv = conv
        self.matrices = conv.matrices()
        self._read(conv.conv.weight.new_zeros(conv.reach + width, n, conv.conv.in_channels))

    def _read(self, row: Tensor) -> None:
        self.row, self.pixels = row, row.unbind()
        self.parts = [pixel.chunk(self.conv.groups, 1) for pixel in self.pixels[self.conv.reach :]]
        """Of each pixel and group, the features to be written into: (n, channels / groups)."""

    def reindex(self, ancestors: Tensor) -> "LeftRow":
        """Another, whose image i goes on from where image ancestors[i] of this one is; this one is left as it is."""
        other = copy.copy(self)
        other._read(self.row.index_select(1, ancestors))
        return other

    def apply(self, j: int, group: int, above: Tensor) -> Tensor:
        """The convolution's outputs of one group at pixel j, added to what comes from above: (n, c_out / groups)."""
        last = j + self.conv.reach + (self.conv.spacing if self.conv.own else 0)
        taps = torch.cat(self.pixels[j : last : self.conv.spacing], 1)
        return torch.addmm(above, taps, self.matrices[group])

    def finish(self) -> Tensor:
        """The row, (width, n, channels)."""
        return self.row[self.conv.reach :]
