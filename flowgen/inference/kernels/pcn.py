"""Preconditioned Crank-Nicolson: a walk that the reference never refuses, in any dimension."""

from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor

from flowgen import hyperparameters
from flowgen.inference.chains import Randomness
from flowgen.inference.kernels.kernel import Info
from flowgen.inference.kernels.prior_moves import ANNEAL, PriorState, move, start
from flowgen.inference.kernels.step_sizes import StepSizes
from flowgen.inference.target import Reals, Target

__all__ = ["PCN", "PriorWalkState"]


@dataclass(frozen=True)
class PriorWalkState(PriorState):
    """Chains that walk along the reference, with each chain's own step size.

    Args:
        step_sizes: beta of each chain.
    """

    step_sizes: StepSizes = field(kw_only=True)


@dataclass(frozen=True)
class PCN:
    """Preconditioned Crank-Nicolson: exact, one pass without a gradient a step.

        w' = sqrt(1 - beta^2) w + beta * noise,   noise ~ N(0, I)
        accepted with probability min(1, likelihood(u') / likelihood(u)),   u = F_reference^-1(Phi(w))

    w are normal coordinates of the target's reference, which the proposal leaves as it is; so acceptance falls with
    what the likelihood says and not with the dimension, as that of a random walk does. Of a flow the reference is the
    prior of the latent.

    References:
        MCMC methods for functions: modifying old algorithms to make them faster (Cotter et al., 2013), arXiv:1202.0709
    """

    serves: ClassVar[tuple[type, ...]] = (Reals,)
    jacobian: ClassVar[bool] = True
    latent: ClassVar[bool] = True

    step_size: float = field(
        default=0.1, metadata={"help": "beta: 1 forgets where it was; warm-up adapts it", "min": 1e-6, "max": 1.0}
    )
    target_acceptance: float = field(
        default=0.3, metadata={"help": "share of proposals to accept, sought in warm-up", "min": 0.01, "max": 0.99}
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
        after, acceptance, finite = move(target, state, state.step_sizes.sizes(warmup=warmup), generator)
        sizes = state.step_sizes.learn(acceptance, self.target_acceptance, warmup=warmup)
        return PriorWalkState(**vars(after), step_sizes=sizes), Info(~finite, acceptance)
