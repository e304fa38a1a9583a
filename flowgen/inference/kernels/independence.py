"""Independence Metropolis: each proposal is a fresh draw from the reference."""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from flowgen import hyperparameters
from flowgen.inference.chains import Randomness
from flowgen.inference.kernels.kernel import Info
from flowgen.inference.kernels.prior_moves import ANNEAL, PriorState, move, start
from flowgen.inference.target import Reals, Target

__all__ = ["Independence"]


@dataclass(frozen=True)
class Independence:
    """Independence Metropolis: exact, proposing from the target's reference wherever the chain is.

        u' ~ reference,   accepted with probability min(1, likelihood(u') / likelihood(u))

    It has nothing to tune, and leaps between modes as easily as within one. But of a posterior that is much narrower
    than its reference it accepts almost nothing: of the order of exp(-KL(posterior | reference)) of the proposals.

    References:
        Markov chains for exploring posterior distributions (Tierney, 1994)
    """

    serves: ClassVar[tuple[type, ...]] = (Reals,)
    jacobian: ClassVar[bool] = True
    latent: ClassVar[bool] = True

    anneal: float = field(default=1.0, metadata=ANNEAL)

    def __post_init__(self) -> None:
        hyperparameters.check(self)

    def init(self, target: Target, position: Tensor) -> PriorState:
        return start(target, position)

    def step(
        self, target: Target, state: PriorState, generator: Randomness, *, warmup: bool = False
    ) -> tuple[PriorState, Info]:
        everything = torch.ones_like(state.log_density)[:, None]
        after, acceptance, finite = move(target, state, everything, generator)
        return after, Info(~finite, acceptance)
