"""Projected latent MCMC: leaps across the latent space and short steps in it, by the toss of a coin."""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from flowgen import hyperparameters
from flowgen.inference.chains import Randomness, uniform_like
from flowgen.inference.kernels.kernel import Info
from flowgen.inference.kernels.pcn import PriorWalkState
from flowgen.inference.kernels.prior_moves import ANNEAL, move, start
from flowgen.inference.kernels.step_sizes import StepSizes
from flowgen.inference.target import Reals, Target

__all__ = ["PLMCMC"]


@dataclass(frozen=True)
class PLMCMC:
    """Projected latent MCMC: exact, a mixture of independence Metropolis and a local move.

        w' = noise                                with probability leaps
        w' = sqrt(1 - beta^2) w + beta * noise    else,   noise ~ N(0, I)
        accepted with probability min(1, likelihood(u') / likelihood(u)),   u = F_reference^-1(Phi(w))

    It is made for the augmented target of a flow's latent, which is exact whatever its sigma. The local move here is
    the preconditioned Crank-Nicolson one, which the prior never refuses, where a random walk's would be. Acceptance is
    reported of both moves together, and beta adapts to that of the local one.

    References:
        Projected Latent Markov Chain Monte Carlo (Cannella et al., 2021), arXiv:2007.06140
    """

    serves: ClassVar[tuple[type, ...]] = (Reals,)
    jacobian: ClassVar[bool] = True
    latent: ClassVar[bool] = True

    step_size: float = field(
        default=0.1, metadata={"help": "beta of the local move; warm-up adapts it", "min": 1e-6, "max": 1.0}
    )
    leaps: float = field(
        default=0.5, metadata={"help": "share of proposals that forget where they were", "min": 0.0, "max": 1.0}
    )
    target_acceptance: float = field(
        default=0.3, metadata={"help": "share of local moves to accept, sought in warm-up", "min": 0.01, "max": 0.99}
    )
    anneal: float = field(default=1.0, metadata=ANNEAL)

    def __post_init__(self) -> None:
        hyperparameters.check(self)

    def init(self, target: Target, position: Tensor) -> PriorWalkState:
        state = start(target, position)
        sizes = StepSizes.start(self.step_size, state.log_density, largest=1.0)
        return PriorWalkState(**vars(state), step_sizes=sizes)

    def step(
        self, target: Target, state: PriorWalkState, generator: Randomness, *, warmup: bool = False
    ) -> tuple[PriorWalkState, Info]:
        leaping = uniform_like(state.log_density, generator) < self.leaps
        beta = torch.where(leaping[:, None], 1.0, state.step_sizes.sizes(warmup=warmup))
        after, acceptance, finite = move(target, state, beta, generator)
        sizes = state.step_sizes.learn(acceptance, self.target_acceptance, warmup=warmup, heeded=~leaping)
        return PriorWalkState(**vars(after), step_sizes=sizes), Info(~finite, acceptance)
