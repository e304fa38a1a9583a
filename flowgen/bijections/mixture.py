"""The log-odds of a mixture's CDF: one learned curve that every entry is bent by."""

from typing import cast

import torch
from torch import Tensor, nn

from flowgen.bijections.base import Bijection
from flowgen.bijections.logistics import curve, solve

__all__ = ["MixtureCDF"]

LOG_SCALE = 5.0  # the scales' logarithms stay within: what is steeper than a byte's cell is noise
KNOTS, REACH = 4096, 16.0  # of the table that an inverse starts from: how many, and the largest |z|
FITTED, FIT_STEPS, FIT_RATE = 4096, 200, 0.08  # entries of a first batch, and Adam's steps and rate to fit them


class MixtureCDF(Bijection):
    """Each entry becomes the log-odds of its CDF under a mixture of logistics, which all entries share.

        z = log F(x) - log(1 - F(x)),   F(x) = sum_i pi_i sigmoid((x - mu_i) / s_i),   log|det| = sum log dz/dx

    Fitted to the entries of the data it makes their marginal logistic. Couplings that are affine cannot bend a value's
    own noise: in the log-odds of pixels, the noise that dequantises a black byte is exponential on one side and ends
    at the byte's edge, and no scale and shift brings that near a normal. One curve at the start does, for all bytes.

    The inverse is found by safeguarded Newton steps from a table of the curve, and carries a gradient (`solve`).

    Args:
        components: how many logistics.
    Shape:
        x, z: (b, *); log_det: (b,).
    References:
        Gaussianization (Chen & Gopinath, 2000)
        Flow++ (Ho et al., 2019), arXiv:1902.00275, section 3.2, where a coupling gives the mixture's parameters
    """

    def __init__(self, components: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(components))
        self.means = nn.Parameter(torch.linspace(-1, 1, components) if components > 1 else torch.zeros(1))
        self.log_scales = nn.Parameter(torch.zeros(components))

    @property
    def reversible(self) -> bool:
        return False  # the inverse is an iteration, dearer than what it would save

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        z, log_slope, _ = self._curve(x)
        return z, log_slope.flatten(1).sum(1)

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        x = self._solve(z)
        return x, -self._curve(x)[1].flatten(1).sum(1)

    @torch.no_grad()
    def initialize(self, x: Tensor) -> Tensor:
        """Fit the mixture to the entries of a first batch by maximum likelihood, from their quantiles."""
        entries = x.flatten()
        chosen = torch.randint(len(entries), (FITTED,), generator=torch.Generator().manual_seed(0))
        entries = entries[chosen.to(x.device)]
        middles = (torch.arange(len(self.means)).to(entries) + 0.5) / len(self.means)
        self.logits.zero_()
        self.means.copy_(torch.quantile(entries, middles))
        self.log_scales.fill_(-1.0)
        self._fit(entries)
        return cast(Tensor, self(x)[0])

    @torch.enable_grad()
    def _fit(self, entries: Tensor) -> None:
        parameters = list(self.parameters())
        optimizer = torch.optim.Adam(parameters, lr=FIT_RATE)
        for _ in range(FIT_STEPS):
            gradients = torch.autograd.grad(-self._curve(entries)[2].mean(), parameters)
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.grad = gradient
            optimizer.step()
        optimizer.zero_grad()

    def frozen(self) -> "MixtureCDF":
        return _Tabled(self)

    def _mixture(self) -> tuple[Tensor, Tensor, Tensor]:
        """Log-weights, means and log-scales, each (components,)."""
        log_scales = LOG_SCALE * torch.tanh(self.log_scales / LOG_SCALE)
        return torch.log_softmax(self.logits, 0), self.means, log_scales

    def _curve(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """z, log dz/dx and the mixture's log-density at x, all of x's shape."""
        return curve(x, *self._mixture())

    def _solve(self, z: Tensor) -> Tensor:
        """The root of curve(x) = z, elementwise, which the table narrows down where it reaches."""
        mixture = self._mixture()
        with torch.no_grad():
            _, means, log_scales = mixture
            knots, values = self._table()
            right = torch.searchsorted(values, z.contiguous())
            lines = means + log_scales.exp() * z[..., None]
            low = torch.where(right > 0, knots[(right - 1).clamp_min(0)], lines.amin(-1))
            high = torch.where(right < KNOTS, knots[right.clamp_max(KNOTS - 1)], lines.amax(-1))
        return solve(z, *mixture, bracket=(low, high))

    def _table(self) -> tuple[Tensor, Tensor]:
        """Where an inverse looks first: points x in ascending order, and the curve there, both (KNOTS,)."""
        _, means, log_scales = self._mixture()
        scales = log_scales.exp()
        first, last = (means - REACH * scales).min(), (means + REACH * scales).max()
        knots = torch.lerp(first, last, torch.linspace(0, 1, KNOTS, device=means.device, dtype=means.dtype))
        return knots, self._curve(knots)[0]


class _Tabled(MixtureCDF):
    """The same curve, whose table is worked out once."""

    knots: Tensor
    values: Tensor

    @torch.no_grad()
    def __init__(self, curve: MixtureCDF) -> None:
        super().__init__(len(curve.means))
        self.logits, self.means, self.log_scales = curve.logits, curve.means, curve.log_scales
        knots, values = curve._table()
        self.register_buffer("knots", knots, persistent=False)
        self.register_buffer("values", values, persistent=False)

    def frozen(self) -> "MixtureCDF":
        return self

    def _table(self) -> tuple[Tensor, Tensor]:
        return self.knots, self.values
