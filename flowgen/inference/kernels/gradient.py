"""What all kernels that follow a gradient share: the state, the update, and the refusal of what is not finite."""

from dataclasses import dataclass

import torch
from torch import Tensor

from flowgen.inference.kernels.kernel import check_possible
from flowgen.inference.target import Target

__all__ = ["GradientState", "choose", "evaluate", "langevin_update", "propose", "start"]


@dataclass(frozen=True)
class GradientState:
    """A batch of chains with the value and the gradient of the log-density where they stand.

    Args:
        position: u, (chains, dim).
        log_density: (chains,).
        gradient: of log_density with respect to u, (chains, dim).
        step: how many steps led here.
    """

    position: Tensor
    log_density: Tensor
    gradient: Tensor
    step: int = 0


def langevin_update(
    u: Tensor, gradient: Tensor, step_size: float | Tensor, temperature: float, noise: Tensor | None
) -> Tensor:
    """The one update of gradient ascent (T = 0), unadjusted Langevin (T = 1) and MALA (T = 1, then adjusted).

        u + eps / 2 * gradient + sqrt(eps * T) * noise

    Args:
        u, gradient, noise: (chains, dim); noise is standard normal, None at temperature 0.
        step_size: eps, a number or a tensor that broadcasts to u.
        temperature: T.
    """
    moved = u + 0.5 * step_size * gradient
    return moved if noise is None else moved + (step_size * temperature) ** 0.5 * noise


def evaluate(target: Target, u: Tensor) -> tuple[Tensor, Tensor]:
    """The log-density (chains,) and its gradient (chains, dim), in a single pass; only u has a gradient."""
    with torch.enable_grad():
        u = u.detach().requires_grad_()
        log_density = target.log_density(u)
        (gradient,) = torch.autograd.grad(log_density.sum(), u)
    return log_density.detach(), gradient


def start(target: Target, position: Tensor) -> GradientState:
    """The state at a position.

    Raises:
        FlowgenError: if the log-density or its gradient is not finite there.
    """
    log_density, gradient = evaluate(target, position)
    check_possible(log_density, _finite(position, log_density, gradient))
    return GradientState(position.detach(), log_density, gradient)


def propose(target: Target, state: GradientState, position: Tensor) -> tuple[GradientState, Tensor]:
    """What the state would be at another position, by one pass, and (chains,) True where all of that is finite."""
    log_density, gradient = evaluate(target, position)
    proposed = GradientState(position, log_density, gradient, state.step + 1)
    return proposed, _finite(position, log_density, gradient)


def choose(accepted: Tensor, proposed: GradientState, state: GradientState) -> GradientState:
    """Each chain at its proposal where accepted, (chains,) bool, and where it was elsewhere."""
    return GradientState(
        position=torch.where(accepted[:, None], proposed.position, state.position),
        log_density=torch.where(accepted, proposed.log_density, state.log_density),
        gradient=torch.where(accepted[:, None], proposed.gradient, state.gradient),
        step=proposed.step,
    )


def _finite(u: Tensor, log_density: Tensor, gradient: Tensor) -> Tensor:
    """(chains,) True where all three are finite."""
    return u.isfinite().all(1) & log_density.isfinite() & gradient.isfinite().all(1)
