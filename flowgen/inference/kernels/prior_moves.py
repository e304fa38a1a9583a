"""What all kernels that propose from the target's reference share: the state, the move and its acceptance."""

from dataclasses import dataclass

import torch
from torch import Tensor

from flowgen.density import Prior
from flowgen.errors import FlowgenError
from flowgen.inference.chains import Randomness, normal_like
from flowgen.inference.kernels.acceptance import decide
from flowgen.inference.kernels.kernel import check_possible
from flowgen.inference.target import Target

__all__ = ["ANNEAL", "PriorState", "move", "start"]

ANNEAL = {
    "help": "how many times as wide sigma is when warm-up begins; it narrows from there, and 1 is no annealing",
    "min": 1.0,
    "max": 100.0,
}


@dataclass(frozen=True)
class PriorState:
    """A batch of chains in the normal coordinates of the target's reference.

    Args:
        position: u, (chains, dim).
        normal: w = Phi^-1(F_reference(u)), (chains, dim).
        log_likelihood: the target's, (chains,).
        log_density: the target's, (chains,).
    """

    position: Tensor
    normal: Tensor
    log_likelihood: Tensor
    log_density: Tensor


@torch.no_grad()
def start(target: Target, position: Tensor) -> PriorState:
    """The state at a position.

    Raises:
        FlowgenError: if the target has no reference with normal coordinates, or is not finite there.
    """
    state, finite = _look(target, position.detach(), _reference(target).to_normal(position.detach()))
    check_possible(state.log_density, finite)
    return state


@torch.no_grad()
def move(target: Target, state: PriorState, beta: Tensor, generator: Randomness) -> tuple[PriorState, Tensor, Tensor]:
    """A step of length beta, (chains, 1), that leaves the reference as it is, accepted by the likelihood alone.

        w' = sqrt(1 - beta^2) w + beta * noise,   noise ~ N(0, I)
        accepted with probability min(1, likelihood(u') / likelihood(u)),   u = F_reference^-1(Phi(w))

    beta = 1 is a draw from the reference. The reference itself accepts all of them, in any dimension.

    Returns:
        the state after, (chains,) probabilities of acceptance, and (chains,) True where the proposal was finite.
    """
    w = (1 - beta.square()).sqrt() * state.normal + beta * normal_like(state.normal, generator)
    proposed, finite = _look(target, _reference(target).from_normal(w), w)
    accepted, acceptance = decide(proposed.log_likelihood - state.log_likelihood, finite, generator)
    return _choose(accepted, proposed, state), acceptance, finite


def _reference(target: Target) -> Prior:
    if not isinstance(target.reference, Prior):
        raise FlowgenError(
            "This method proposes from the target's reference, in its normal coordinates, and this target has none: "
            "choose Metropolis, MALA or HMC, which need the density alone."
        )
    return target.reference


def _look(target: Target, u: Tensor, w: Tensor) -> tuple[PriorState, Tensor]:
    """The state at u, whose normal coordinates are w, by one pass; and (chains,) True where all of it is finite."""
    log_likelihood = target.log_likelihood(u)
    log_density = _reference(target).log_prob(u) + log_likelihood
    finite = u.isfinite().all(1) & w.isfinite().all(1) & log_likelihood.isfinite() & log_density.isfinite()
    return PriorState(u, w, log_likelihood, log_density), finite


def _choose(accepted: Tensor, proposed: PriorState, state: PriorState) -> PriorState:
    """Each chain at its proposal where accepted, (chains,) bool, and where it was elsewhere."""
    return PriorState(
        position=torch.where(accepted[:, None], proposed.position, state.position),
        normal=torch.where(accepted[:, None], proposed.normal, state.normal),
        log_likelihood=torch.where(accepted, proposed.log_likelihood, state.log_likelihood),
        log_density=torch.where(accepted, proposed.log_density, state.log_density),
    )
