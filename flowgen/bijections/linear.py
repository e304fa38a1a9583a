"""Linear bijections: actnorm, scaling, permutation, invertible 1x1 convolution."""

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flowgen.bijections.base import Bijection

__all__ = ["ActNorm", "FixedConv1x1", "InvertibleConv1x1", "Permutation", "Scaling", "mix", "positions"]


def positions(x: Tensor) -> int:
    """How often a channel's parameter is applied in one event: h w for an image, 1 for a vector."""
    return math.prod(x.shape[2:])


def _per_channel(parameter: Tensor, x: Tensor) -> Tensor:
    return parameter.view(1, -1, *[1] * (x.dim() - 2))


class ActNorm(Bijection):
    """A shift and a scale for each channel, started so that the first batch has mean 0 and variance 1.

        z = (x + loc) * exp(log_scale),   log|det| = h w sum log_scale

    Args:
        num_channels: c, or d for vectors.
    Shape:
        x, z: (b, c, h, w) or (b, d); log_det: (b,).
    References:
        Glow: Generative Flow with Invertible 1x1 Convolutions (Kingma & Dhariwal, 2018), arXiv:1807.03039, section 3.1
    """

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.loc = nn.Parameter(torch.zeros(num_channels))
        self.log_scale = nn.Parameter(torch.zeros(num_channels))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        z = (x + _per_channel(self.loc, x)) * _per_channel(self.log_scale.exp(), x)
        return z, (positions(x) * self.log_scale.sum()).expand(x.shape[0])

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        x = z * _per_channel((-self.log_scale).exp(), z) - _per_channel(self.loc, z)
        return x, (-positions(z) * self.log_scale.sum()).expand(z.shape[0])

    @torch.no_grad()
    def initialize(self, x: Tensor) -> Tensor:
        """Set mean and variance from a batch; a channel that is constant in it keeps a scale of at most 1000."""
        channels = x.transpose(0, 1).flatten(1)
        self.loc.copy_(-channels.mean(1))
        self.log_scale.copy_(-channels.std(1, correction=0).clamp_min(1e-3).log())
        return cast(Tensor, self(x)[0])


class Scaling(Bijection):
    """A scale for each coordinate, by which a volume-preserving flow tells which directions matter.

        z = x * exp(log_scale),   log|det| = sum log_scale

    Args:
        event_shape: one scale for each entry of it.
    Shape:
        x, z: (b, *event_shape); log_det: (b,).
    References:
        NICE: Non-linear Independent Components Estimation (Dinh et al., 2014), arXiv:1410.8516, section 3.3
    """

    def __init__(self, event_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(event_shape))

    @torch.no_grad()
    def initialize(self, x: Tensor) -> Tensor:
        """Set each coordinate's deviation to 1 from a batch; a constant one keeps a scale of at most 1000."""
        self.log_scale.copy_(-x.std(0, correction=0).clamp_min(1e-3).log())
        return cast(Tensor, self(x)[0])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x * self.log_scale.exp(), self.log_scale.sum().expand(x.shape[0])

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        return z * (-self.log_scale).exp(), (-self.log_scale.sum()).expand(z.shape[0])


class Permutation(Bijection):
    """A fixed reordering of the channels (of the coordinates, for vectors): z_i = x_{order_i}, log|det| = 0.

    Args:
        order: a permutation of 0 .. c - 1, for instance from `torch.randperm`, or reversed.
    Shape:
        x, z: (b, c, h, w) or (b, d); log_det: (b,).
    """

    order: Tensor

    def __init__(self, order: Tensor) -> None:
        super().__init__()
        if sorted(order.tolist()) != list(range(len(order))):
            raise ValueError(f"{order.tolist()} is no permutation of 0 .. {len(order) - 1}")
        self.register_buffer("order", order)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x[:, self.order], x.new_zeros(x.shape[0])

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        return z[:, self.order.argsort()], z.new_zeros(z.shape[0])


class InvertibleConv1x1(Bijection):
    """A learned invertible mixing of the channels at every position, kept invertible by its LU form.

        z = W x,   W = P L (U + diag(sign * exp(log_s))),   log|det| = h w sum log_s

    P is a fixed permutation, L unit lower and U strictly upper triangular; sign is fixed. W starts as a random
    rotation, or as what is given.

    Args:
        num_channels: c, or d for vectors.
        start: what W starts from, (c, c), invertible.
        generator: draws the rotation, where no start is given.
    Shape:
        x, z: (b, c, h, w) or (b, d); log_det: (b,).
    References:
        Glow: Generative Flow with Invertible 1x1 Convolutions (Kingma & Dhariwal, 2018), arXiv:1807.03039, section 3.2
    """

    permutation: Tensor
    sign: Tensor

    def __init__(
        self, num_channels: int, *, start: Tensor | None = None, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        if start is None:
            start = torch.linalg.qr(torch.randn(num_channels, num_channels, generator=generator, dtype=torch.float64))[
                0
            ]
        p, lower, upper = torch.linalg.lu(start.double())
        dtype = torch.get_default_dtype()
        self.register_buffer("permutation", p.to(dtype))
        self.register_buffer("sign", upper.diagonal().sign().to(dtype))
        self.log_s = nn.Parameter(upper.diagonal().abs().log().to(dtype))
        self.lower = nn.Parameter(lower.tril(-1).to(dtype))
        self.upper = nn.Parameter(upper.triu(1).to(dtype))

    def weight(self) -> Tensor:
        """W, (c, c)."""
        lower, upper = self._factors()
        with _full_precision(lower):
            return self.permutation @ lower @ upper

    def inverse_weight(self) -> Tensor:
        """W^-1, (c, c), by two triangular solves."""
        lower, upper = self._factors()
        with _full_precision(lower):
            half = torch.linalg.solve_triangular(lower, self.permutation.mT, upper=False, unitriangular=True)
            return cast(Tensor, torch.linalg.solve_triangular(upper, half, upper=True))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return mix(self.weight(), x), (positions(x) * self.log_s.sum()).expand(x.shape[0])

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        return mix(self.inverse_weight(), z), (-positions(z) * self.log_s.sum()).expand(z.shape[0])

    @torch.no_grad()
    def frozen(self) -> "FixedConv1x1":
        return FixedConv1x1(self.weight(), self.inverse_weight(), self.log_s.sum())

    def _factors(self) -> tuple[Tensor, Tensor]:
        eye = torch.eye(len(self.log_s), dtype=self.log_s.dtype, device=self.log_s.device)
        return self.lower.tril(-1) + eye, self.upper.triu(1) + torch.diag(self.sign * self.log_s.exp())


class FixedConv1x1(Bijection):
    """An invertible 1x1 convolution whose matrix, inverse and log-determinant are known: z = W x + b.

    Args:
        weight: W, (c, c).
        inverse_weight: W^-1, (c, c).
        log_abs_det: log|det W|, a scalar.
        shift: b, (c,), or None for zero.
        inverse_shift: -W^-1 b, (c,), where there is a shift.
    """

    def __init__(
        self,
        weight: Tensor,
        inverse_weight: Tensor,
        log_abs_det: Tensor,
        shift: Tensor | None = None,
        inverse_shift: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("inverse_weight", inverse_weight)
        self.register_buffer("log_abs_det", log_abs_det)
        self.register_buffer("shift", shift)
        self.register_buffer("inverse_shift", inverse_shift)

    weight: Tensor
    inverse_weight: Tensor
    log_abs_det: Tensor
    shift: Tensor | None
    inverse_shift: Tensor | None

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return mix(self.weight, x, self.shift), (positions(x) * self.log_abs_det).expand(x.shape[0])

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        x = mix(self.inverse_weight, z, self.inverse_shift)
        return x, (-positions(z) * self.log_abs_det).expand(z.shape[0])


def mix(weight: Tensor, x: Tensor, shift: Tensor | None = None) -> Tensor:
    """W x + b over the channels at every position, in the dtype of x whatever autocast says."""
    with _full_precision(x):
        if x.dim() == 2:
            return F.linear(x, weight, shift)
        return F.conv2d(x, weight[:, :, None, None], shift)


def _full_precision(x: Tensor) -> torch.autocast:
    """Mixed precision is for the nets; what an inverse must undo is computed in the dtype it has."""
    return torch.autocast(x.device.type, enabled=False)
