"""What methods that temper share: points at inverse temperatures of their own, and kernels carried between these."""

from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from flowgen.density import Prior
from flowgen.errors import FlowgenError
from flowgen.inference.kernels.hmc import HMC
from flowgen.inference.kernels.kernel import Kernel
from flowgen.inference.kernels.mala import MALA
from flowgen.inference.kernels.metropolis import Metropolis
from flowgen.inference.kernels.pcn import PCN
from flowgen.inference.kernels.pl_mcmc import PLMCMC
from flowgen.inference.target import Target

__all__ = ["MOVES", "Moves", "Points", "place", "reference_of", "take", "temper"]

Moves = Literal["mala", "hmc", "metropolis", "pcn", "pl_mcmc"]
MOVES: dict[str, type[Any]] = {"mala": MALA, "hmc": HMC, "metropolis": Metropolis, "pcn": PCN, "pl_mcmc": PLMCMC}


@dataclass(frozen=True)
class Points:
    """Where rows stand, and what the target says there at beta = 1.

    Args:
        position: u, (rows, dim).
        log_likelihood: (rows,).
        slope: its gradient, (rows, dim); None for kernels that follow none.
    """

    position: Tensor
    log_likelihood: Tensor
    slope: Tensor | None

    def at(self, rows: Tensor) -> "Points":
        """These rows, in this order; one may be named more than once."""
        slope = None if self.slope is None else self.slope[rows]
        return Points(self.position[rows], self.log_likelihood[rows], slope)


def reference_of(target: Target) -> Prior:
    """The target's reference, which tempering starts from.

    Raises:
        FlowgenError: if there is none that can be drawn from by keyed noise.
    """
    if not isinstance(target.reference, Prior):
        raise FlowgenError(
            "This method begins at the target's reference and goes on to the target, and this target has none: "
            "choose Metropolis, MALA or HMC, which need the density alone."
        )
    return target.reference


def temper(target: Target, beta: Tensor) -> Target:
    """The target with its likelihood to the power beta, (rows,): reference(u) likelihood(u)^beta."""
    return replace(target, log_likelihood=lambda u: beta * target.log_likelihood(u))


def take(target: Target, state: Any, beta: Tensor) -> Points:
    """The points of a kernel's state on the target tempered by beta, (rows,), all positive."""
    u = state.position.detach().requires_grad_()
    with torch.enable_grad():
        reference = reference_of(target).log_prob(u)
        (pull,) = torch.autograd.grad(reference.sum(), u)
    gradient = getattr(state, "gradient", None)
    slope = None if gradient is None else (gradient - pull) / beta[:, None]
    return Points(state.position, (state.log_density - reference.detach()) / beta, slope)


def place(kernel: Kernel, target: Target, points: Points, beta: Tensor, step_sizes: Any) -> Any:
    """The kernel's state at points of the target tempered by beta, (rows,), without a pass through the model.

    The kernel starts on a stand-in that is linear in u: it has the likelihood and the slope that are known already.
    """

    def known(u: Tensor) -> Tensor:
        rise = 0.0 if points.slope is None else ((u - points.position) * points.slope).sum(1)
        return beta * (points.log_likelihood + rise)

    return replace(kernel.init(replace(target, log_likelihood=known), points.position), step_sizes=step_sizes)
