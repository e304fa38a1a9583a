"""A 3x3 convolution to few channels, which is what a flow's conditioner ends with."""

from typing import cast

import torch
from torch import Tensor, nn

__all__ = ["Conv3x3"]

FEW = 8  # output channels below which torch's convolutions, which work on 16 at once, lose to a matrix product


class Conv3x3(nn.Conv2d):
    """A 3x3 convolution that keeps height and width, y = w * x + b, quick on a CPU where it gives few channels.

    Where no gradient is wanted and fewer than 8 channels are, it is one matrix product at every pixel, whose nine parts
    are shifted and added. Else it is torch's own convolution, whose gradients are no slower than such products'.

    Args:
        in_channels: channels of x.
        out_channels: channels of y.
    Shape:
        (b, in_channels, h, w) -> (b, out_channels, h, w).
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        few = self.out_channels < min(FEW, self.in_channels)
        if not few or torch.is_grad_enabled() or x.device.type != "cpu" or torch.is_autocast_enabled("cpu"):
            return super().forward(x)
        b, _, h, w = x.shape
        pixels = x.permute(0, 2, 3, 1).reshape(-1, self.in_channels)
        parts = self.weight.permute(2, 3, 0, 1).flatten(0, 2) @ pixels.mT
        y = _add_shifted(parts.view(3, 3, self.out_channels, b, h, w)).permute(1, 2, 3, 0).contiguous()
        return y.add_(cast(Tensor, self.bias)).permute(0, 3, 1, 2)


def _add_shifted(parts: Tensor) -> Tensor:
    """Sum part (i, j) moved by (1 - i, 1 - j) pixels: (3, 3, ..., h, w) -> (..., h, w). It writes into parts.

    Where nothing leaves its image any more, a move is one along all of memory.
    """
    width = parts.shape[-1]
    parts[0, ..., -1, :].zero_()
    parts[2, ..., 0, :].zero_()
    parts[:, 0, ..., -1].zero_()
    parts[:, 2, ..., 0].zero_()
    total = parts[1, 1].reshape(-1)
    for i in range(3):
        for j in range(3):
            shift, part = (i - 1) * width + j - 1, parts[i, j].reshape(-1)
            if shift > 0:
                total[:-shift] += part[shift:]
            elif shift < 0:
                total[-shift:] += part[:shift]
    return total.view(parts.shape[2:])
