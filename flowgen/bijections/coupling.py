"""Coupling: one part of the input is transformed given the other, which is kept."""

from abc import abstractmethod

import torch
from torch import Tensor, nn

from flowgen.bijections.base import Bijection
from flowgen.bijections.logistics import curve, solve
from flowgen.bijections.masks import Mask
from flowgen.bijections.reversal import Reversal

__all__ = ["AdditiveCoupling", "AffineCoupling", "Coupling", "MixtureCoupling"]

LOG_SCALE = 3.0  # the logarithms of a mixture's scales stay within
SPREAD = 2.0  # a mixture's means start between -2 and 2: were they equal, they would stay so


class Coupling(Bijection):
    """What additive and affine coupling share: take apart by a mask, transform one part given the other, put together.

    Args:
        mask: which part is kept and conditions, and which is moved.
        conditioner: kept (b, c_a, ...) -> parameters of the transform of what is moved.
    """

    def __init__(self, mask: Mask, conditioner: nn.Module) -> None:
        super().__init__()
        self.mask = mask
        self.conditioner = conditioner

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        kept, moved = self.mask.split(x)
        moved, log_det = self.transform(moved, self.conditioner(kept).to(x.dtype))
        return self.mask.merge(kept, moved), log_det

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        kept, moved = self.mask.split(z)
        moved, log_det = self.untransform(moved, self.conditioner(kept).to(z.dtype))
        return self.mask.merge(kept, moved), log_det

    def pull_back(self, z: Tensor, grad_z: Tensor, reversal: Reversal) -> tuple[Tensor, Tensor]:
        """As any bijection's, with one run of the conditioner for both the inverse and the gradient."""
        kept, after = self.mask.split(z)
        kept = kept.detach().requires_grad_()
        with torch.enable_grad():
            parameters = self.conditioner(kept).to(z.dtype)
            moved = self.untransform(after, parameters.detach())[0].requires_grad_()
            outputs = self.transform(moved, parameters)
        grad_kept, grad_after = self.mask.split(grad_z)
        through, grad_moved = reversal.differentiate(self, outputs, grad_after, [kept, moved])
        return self.mask.merge(kept, moved).detach(), self.mask.merge(grad_kept + through, grad_moved)

    @abstractmethod
    def transform(self, moved: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        """Data to latent, elementwise given the parameters: (moved, (b,) log-determinant)."""

    @abstractmethod
    def untransform(self, moved: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        """The inverse of transform."""


class AdditiveCoupling(Coupling):
    """One part is shifted given the other, which keeps volume.

        z_a = x_a,   z_b = x_b + t(x_a),   log|det| = 0

    Args:
        mask: which part is kept.
        conditioner: (b, c_a, ...) -> (b, c_b, ...).
    References:
        NICE: Non-linear Independent Components Estimation (Dinh et al., 2014), arXiv:1410.8516
    """

    def transform(self, moved: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        return moved + parameters, moved.new_zeros(moved.shape[0])

    def untransform(self, moved: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        return moved - parameters, moved.new_zeros(moved.shape[0])


class AffineCoupling(Coupling):
    """One part is rescaled and shifted given the other.

        z_a = x_a,   z_b = x_b * exp(s(x_a)) + t(x_a),   log|det| = sum s(x_a)
        s = bound * tanh(raw / bound)

    The bound keeps every scale within exp(-bound) and exp(bound), so that no step of training can blow a value up.

    Args:
        mask: which part is kept.
        conditioner: (b, c_a, ...) -> (b, 2 c_b, ...), first the raw scales, then the shifts.
        bound: the largest |s|, in nats.
    References:
        Density estimation using Real NVP (Dinh et al., 2016), arXiv:1605.08803
    """

    def __init__(self, mask: Mask, conditioner: nn.Module, *, bound: float = 2.0) -> None:
        super().__init__(mask, conditioner)
        self.bound = bound

    def transform(self, moved: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        s, t = self._scale_and_shift(parameters)
        return torch.addcmul(t, moved, torch.exp(s)), _sum(s)

    def untransform(self, moved: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        s, t = self._scale_and_shift(parameters)
        return (moved - t) * torch.exp(-s), -_sum(s)

    def _scale_and_shift(self, parameters: Tensor) -> tuple[Tensor, Tensor]:
        raw, t = parameters.chunk(2, 1)
        return self.bound * torch.tanh(raw / self.bound), t


class MixtureCoupling(AffineCoupling):
    """One part is bent by a mixture of logistics, and then rescaled and shifted, given the other.

        z_a = x_a,   z_b = y * exp(s(x_a)) + t(x_a),   y = log F(x_b; x_a) - log(1 - F(x_b; x_a)),
        F(x; x_a) = sum_i pi_i(x_a) sigmoid((x - mu_i(x_a)) / s_i(x_a)),   log|det| = sum s(x_a) + log dy/dx_b

    Where an affine coupling can make the given one mean and one width, this one can make it as many as it has
    components: what lies on a stroke's edge is dark or light, and nothing between. The inverse is found by safeguarded
    Newton steps.

    Args:
        mask: which part is kept.
        conditioner: (b, c_a, ...) -> (b, (2 + 3 components) c_b, ...): raw scales and shifts, then for each of them the
            mixture's log-weights up to a constant, means, and raw log-scales.
        components: how many logistics.
        bound: the largest |s|, in nats.
    References:
        Flow++ (Ho et al., 2019), arXiv:1902.00275, section 3.2
    """

    def __init__(self, mask: Mask, conditioner: nn.Module, *, components: int, bound: float = 2.0) -> None:
        super().__init__(mask, conditioner, bound=bound)
        self.components = components

    @property
    def reversible(self) -> bool:
        return False  # the inverse is an iteration, dearer than what it would save

    def transform(self, moved: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        affine, mixture = self._parts(moved, parameters)
        bent, log_slope, _ = curve(moved.movedim(1, -1), *mixture)
        moved, log_det = super().transform(bent.movedim(-1, 1), affine)
        return moved, log_det + _sum(log_slope)

    def untransform(self, moved: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        affine, mixture = self._parts(moved, parameters)
        bent, log_det = super().untransform(moved, affine)
        x = solve(bent.movedim(1, -1), *mixture)
        return x.movedim(-1, 1), log_det - _sum(curve(x, *mixture)[1])

    def _parts(self, moved: Tensor, parameters: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
        """What the affine part takes, and log-weights, means and log-scales, (b, ..., c_b, components)."""
        c = moved.shape[1]
        logits, means, raw = (
            parameters[:, 2 * c :].movedim(1, -1).unflatten(-1, (3, c, self.components)).unbind(-3)
        )  # the channels last, as they lie in memory
        spread = torch.linspace(-SPREAD, SPREAD, self.components, device=means.device, dtype=means.dtype)
        log_scales = LOG_SCALE * torch.tanh(raw / LOG_SCALE)
        return parameters[:, : 2 * c], (torch.log_softmax(logits, -1), means + spread, log_scales)


def _sum(s: Tensor) -> Tensor:
    """Over each event, (b, ...) -> (b,), in whatever order it lies in memory: to flatten may be to copy."""
    return s.sum(tuple(range(1, s.dim())))
