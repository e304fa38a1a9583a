"""Variational dequantisation: noise that is shaped by the image it is added to."""

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from flowgen.models.dequantized import Dequantizer, UniformDequantizer
from flowgen.nets import MLP, ConvNet

__all__ = ["Kind", "VariationalDequantizer", "make_dequantizer"]

Kind = Literal["uniform", "variational"]

EDGE = 2.0**-15  # of a cell, which nothing falls into: float32 could not tell it from the next cell
LIMIT = 3.0  # largest log-scale and largest shift of a logistic
HIDDEN = 32


class VariationalDequantizer(Dequantizer):
    """A logistic of its own for each pixel, squashed into the level's cell, given the whole image.

        x = (k + y) / L,   y = e + (1 - 2 e) sigmoid(m + exp(s) logit(u)),   (m, s) = net(k),   e = 2^-15
        log q(x | k) = D log L - sum log dy/du,
        log dy/du = log(1 - 2 e) + log sigmoid'(m + exp(s) logit(u)) + s - log u (1 - u)

    It starts as the uniform one, m = s = 0. Trained with the flow, it puts the noise where the flow's density is high
    within the cell, and so tightens the bound that `Dequantized.log_mass` is.

    Args:
        levels: L.
        event_shape: (c, h, w) for images, (d,) for vectors.
    References:
        Flow++ (Ho et al., 2019), arXiv:1902.00275, section 3.1
    """

    kind = "variational"

    def __init__(self, levels: int, event_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.levels = levels
        c = event_shape[0]
        self.net: MLP | ConvNet
        if len(event_shape) == 3:
            self.net = ConvNet(2 * c, 2 * c, hidden=HIDDEN, coordinates=True)
        else:
            self.net = MLP(2 * c, 2 * c, hidden=HIDDEN)

    def forward(self, k: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        value = (2 * k.to(noise) + 1) / self.levels
        odds = torch.log(value) - torch.log(2 - value)  # tells the darkest levels apart, and the lightest
        shift, log_scale = self.net(torch.cat((value - 1, odds / 4), 1)).chunk(2, 1)
        shift, log_scale = (LIMIT * torch.tanh(part / LIMIT) for part in (shift, log_scale))
        u = noise.clamp(EDGE, 1 - EDGE)
        logit = torch.logit(u)
        a = shift + torch.exp(log_scale) * logit
        y = EDGE + (1 - 2 * EDGE) * torch.sigmoid(a)
        slope = _log_slope(a) + log_scale - _log_slope(logit) + math.log1p(-2 * EDGE)
        cells = math.prod(k.shape[1:]) * math.log(self.levels)
        return (k + y) / self.levels, cells - slope.flatten(1).sum(1)


def _log_slope(a: Tensor) -> Tensor:
    """Log sigmoid'(a)."""
    return F.logsigmoid(a) + F.logsigmoid(-a)


def make_dequantizer(kind: Kind, levels: int, event_shape: tuple[int, ...]) -> Dequantizer:
    """The dequantiser that a recipe asks for."""
    return VariationalDequantizer(levels, event_shape) if kind == "variational" else UniformDequantizer(levels)
