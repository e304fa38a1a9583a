"""The logit: from pixel values in (0, 1) to the real line."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from flowgen.bijections.base import Bijection

__all__ = ["Logit"]


class Logit(Bijection):
    """Pixels to log-odds, after a little padding.

        y = alpha + (1 - 2 alpha) x,   z = log y - log(1 - y)
        log|det| = sum log(1 - 2 alpha) - log y - log(1 - y)

    The padding keeps z finite on the closed interval. 1 - y is computed from 1 - x, which is exact in floating point
    where x is near 1, so the top level of an image is treated as precisely as the bottom one.

    Args:
        alpha: the padding, at least 0 and below 1/2.
    Shape:
        x, z: (b, *); log_det: (b,). x lies in [0, 1] up to the padding.
    References:
        Masked Autoregressive Flow for Density Estimation (Papamakarios et al., 2017), arXiv:1705.07057, section 4.3
    """

    def __init__(self, alpha: float = 1e-6) -> None:
        super().__init__()
        if not 0 <= alpha < 0.5:
            raise ValueError(f"alpha is {alpha}; it must be at least 0 and below 0.5")
        self.alpha = alpha

    @property
    def reversible(self) -> bool:
        return False  # where x is near 1 a float forgets its distance from it, which the gradient needs

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        log_y = torch.log(self.alpha + (1 - 2 * self.alpha) * x)
        log_1_y = torch.log(self.alpha + (1 - 2 * self.alpha) * (1 - x))
        log_det = math.log1p(-2 * self.alpha) - log_y - log_1_y
        return log_y - log_1_y, log_det.flatten(1).sum(1)

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        x = (torch.sigmoid(z) - self.alpha) / (1 - 2 * self.alpha)
        log_det = F.logsigmoid(z) + F.logsigmoid(-z) - math.log1p(-2 * self.alpha)
        return x, log_det.flatten(1).sum(1)
