"""Convolutional conditioners of flows on images."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flowgen.nets.activation import leaky
from flowgen.nets.conv3x3 import Conv3x3

__all__ = ["ConvNet", "Coordinates", "ResNet"]


class Coordinates(nn.Module):
    """Two channels more, that say where a pixel is: its row and its column, from -1 to 1.

    A convolution cannot tell the middle of an image from its border; data that is centred or aligned is easier to
    model if it can.

    References:
        An intriguing failing of convolutional neural networks and the CoordConv solution (Liu et al., 2018),
        arXiv:1807.03247
    """

    def forward(self, x: Tensor) -> Tensor:
        b, _, h, w = x.shape
        row = torch.linspace(-1, 1, h, device=x.device, dtype=x.dtype).view(1, 1, h, 1).expand(b, 1, h, w)
        column = torch.linspace(-1, 1, w, device=x.device, dtype=x.dtype).view(1, 1, 1, w).expand(b, 1, h, w)
        return torch.cat((x, row, column), 1)


class ConvNet(nn.Module):
    """Glow's conditioner: convolutions of 3x3, 1x1 and 3x3, leaky ReLUs between them; the last one starts at zero.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        hidden: width.
        coordinates: also see each pixel's row and column.
    Shape:
        (b, in_channels, h, w) -> (b, out_channels, h, w).
    References:
        Glow: Generative Flow with Invertible 1x1 Convolutions (Kingma & Dhariwal, 2018), arXiv:1807.03039, appendix B
    """

    def __init__(self, in_channels: int, out_channels: int, *, hidden: int, coordinates: bool = False) -> None:
        super().__init__()
        self.coordinates = Coordinates() if coordinates else nn.Identity()
        self.first = nn.Conv2d(in_channels + 2 * coordinates, hidden, 3, padding=1)
        self.middle = nn.Conv2d(hidden, hidden, 1)
        self.last = Conv3x3(hidden, out_channels)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(cast(Tensor, self.last.bias))

    def forward(self, x: Tensor) -> Tensor:
        x = leaky(self.first(self.coordinates(x)))
        x = leaky(self.middle(x))
        return cast(Tensor, self.last(x))


class ResNet(nn.Module):
    """Residual blocks between a 3x3 convolution and a 1x1 one that starts at zero.

    A block adds conv1x1(relu(conv3x3(relu(x)))) to x.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        hidden: width.
        depth: number of blocks.
        coordinates: also see each pixel's row and column.
    Shape:
        (b, in_channels, h, w) -> (b, out_channels, h, w).
    References:
        Identity Mappings in Deep Residual Networks (He et al., 2016), arXiv:1603.05027
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, hidden: int, depth: int, coordinates: bool = False
    ) -> None:
        super().__init__()
        self.coordinates = Coordinates() if coordinates else nn.Identity()
        self.first = nn.Conv2d(in_channels + 2 * coordinates, hidden, 3, padding=1)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.ReLU(), nn.Conv2d(hidden, hidden, 3, padding=1), nn.ReLU(), nn.Conv2d(hidden, hidden, 1))
            for _ in range(depth)
        )
        self.last = nn.Conv2d(hidden, out_channels, 1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(cast(Tensor, self.last.bias))

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(self.coordinates(x))
        for block in self.blocks:
            x = x + block(x)
        return cast(Tensor, self.last(F.relu(x)))
