"""The log-odds of a mixture of logistics' CDF: a curve that rises from -inf to inf, its slope, and its inverse."""

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["curve", "solve"]

STEPS = 60  # of an inverse at most; in the worst case they halve where the root can be every other time
CLOSE = 0.1  # times the fourth root of a rounding: each step squares an error, and two more are taken from here


def curve(x: Tensor, log_weights: Tensor, means: Tensor, log_scales: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The curve, the logarithm of its slope, and the mixture's log-density, all of x's shape.

        z = log F(x) - log(1 - F(x)),   F(x) = sum_i pi_i sigmoid((x - mu_i) / s_i)

    Args:
        x: (...).
        log_weights, means, log_scales: log pi, mu and log s, (..., components) or (components,).
    """
    u = (x[..., None] - means) * torch.exp(-log_scales)
    below = F.logsigmoid(u)  # log sigmoid(-u) is this minus u
    log_cdf = torch.logsumexp(log_weights + below, -1)
    log_rest = torch.logsumexp(log_weights + below - u, -1)
    log_density = torch.logsumexp(log_weights - log_scales + 2 * below - u, -1)
    return log_cdf - log_rest, log_density - log_cdf - log_rest, log_density


def solve(
    z: Tensor, log_weights: Tensor, means: Tensor, log_scales: Tensor, *, bracket: tuple[Tensor, Tensor] | None = None
) -> Tensor:
    """The root x of curve(x) = z, elementwise, by Newton steps that never leave where the root must be.

    The curve lies between the lines (x - mu_i) / s_i of its components, and so the root between the least and the
    largest of mu_i + s_i z. A step that is not half of the one before it gives way to halving what is left: from both
    sides of a component that is steeper than its neighbours, Newton's would jump to and fro.

    What is returned carries the gradient by z and by the mixture: the steps are not differentiated, the last one is
    taken outside of them with its slope held fixed, and by the implicit function theorem dx = (dz - d_theta z)/(dz/dx).

    Args:
        z: (...).
        log_weights, means, log_scales: as for curve.
        bracket: two tensors of z's shape that the root is known to lie between.
    """
    mixture = (log_weights, means, log_scales)
    with torch.no_grad():
        if bracket is None:
            lines = means + log_scales.exp() * z[..., None]
            bracket = lines.amin(-1), lines.amax(-1)
        low, high = bracket
        x, last = (low + high) / 2, high - low
        for _ in range(STEPS):
            reached, log_slope, _ = curve(x, *mixture)
            low, high = torch.where(reached < z, x, low), torch.where(reached < z, high, x)
            step = (reached - z) * torch.exp(-log_slope)
            near = (reached - z).abs() < CLOSE * torch.finfo(x.dtype).eps ** 0.25
            taken = near | ((x - step >= low) & (x - step <= high) & (2 * step.abs() <= last))
            x = torch.where(taken, x - step, (low + high) / 2)
            last = torch.where(taken, step.abs(), (high - low) / 2)
            if bool(near.all()):
                break
    reached, log_slope, _ = curve(x, *mixture)
    return x - (reached - z) * torch.exp(-log_slope.detach())
