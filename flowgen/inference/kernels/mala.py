"""The Metropolis-adjusted Langevin algorithm: Langevin's step, made exact."""

from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor

from flowgen import hyperparameters
from flowgen.inference.chains import Randomness, normal_like
from flowgen.inference.kernels.acceptance import decide
from flowgen.inference.kernels.gradient import GradientState, choose, langevin_update, propose, start
from flowgen.inference.kernels.kernel import Info
from flowgen.inference.kernels.step_sizes import StepSizes
from flowgen.inference.target import Reals, Target

__all__ = ["MALA", "AdaptiveState"]


@dataclass(frozen=True)
class AdaptiveState(GradientState):
    """Chains that follow a gradient, with each chain's own step size.

    Args:
        step_sizes: of each chain.
    """

    step_sizes: StepSizes = field(kw_only=True)


@dataclass(frozen=True)
class MALA:
    """The Metropolis-adjusted Langevin algorithm: exact, one pass with its gradient a step.

        u' = u + eps / 2 * grad log p(u) + sqrt(eps) * noise,   noise ~ N(0, I)
        accepted with probability min(1, p(u') q(u | u') / (p(u) q(u' | u))),   q(u' | u) the density of that proposal

    Of a Gaussian in d dimensions with standard deviation s, the best eps is of the order s^2 / d^(1/3), where 0.574 of
    the proposals are accepted.

    References:
        Exponential convergence of Langevin distributions and their discrete approximations (Roberts & Tweedie, 1996)
        Optimal scaling of discrete approximations to Langevin diffusions (Roberts & Rosenthal, 1998)
    """

    serves: ClassVar[tuple[type, ...]] = (Reals,)
    jacobian: ClassVar[bool] = True
    latent: ClassVar[bool] = False

    step_size: float = field(
        default=0.01, metadata={"help": "eps of the first step; warm-up adapts it", "min": 1e-6, "max": 10.0}
    )
    target_acceptance: float = field(
        default=0.574, metadata={"help": "share of proposals to accept, sought in warm-up", "min": 0.01, "max": 0.99}
    )

    def __post_init__(self) -> None:
        hyperparameters.check(self)

    def init(self, target: Target, position: Tensor) -> AdaptiveState:
        state = start(target, position)
        return AdaptiveState(**vars(state), step_sizes=StepSizes.start(self.step_size, state.log_density))

    def step(
        self, target: Target, state: AdaptiveState, generator: Randomness, *, warmup: bool = False
    ) -> tuple[AdaptiveState, Info]:
        eps, noise = state.step_sizes.sizes(warmup=warmup), normal_like(state.position, generator)
        position = langevin_update(state.position, state.gradient, eps, 1.0, noise)
        proposed, finite = propose(target, state, position)
        log_ratio = proposed.log_density - state.log_density
        log_ratio = log_ratio + _log_move(proposed, state, eps) - _log_move(state, proposed, eps)
        accepted, acceptance = decide(log_ratio, finite, generator)
        step_sizes = state.step_sizes.learn(acceptance, self.target_acceptance, warmup=warmup)
        return AdaptiveState(**vars(choose(accepted, proposed, state)), step_sizes=step_sizes), Info(
            ~finite, acceptance
        )


def _log_move(start: GradientState, end: GradientState, eps: Tensor) -> Tensor:
    """The log of q(end | start), (chains,), up to what it has in common with the way back."""
    drift = langevin_update(start.position, start.gradient, eps, 1.0, None)
    return -(end.position - drift).square().sum(1) / (2 * eps[:, 0])
