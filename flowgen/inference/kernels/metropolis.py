"""Random-walk Metropolis: a random step, taken or not by what the target says of its end."""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from flowgen import hyperparameters
from flowgen.inference.chains import Randomness, normal_like
from flowgen.inference.kernels.acceptance import decide
from flowgen.inference.kernels.kernel import Info, check_possible
from flowgen.inference.kernels.step_sizes import StepSizes
from flowgen.inference.target import Reals, Target

__all__ = ["Metropolis", "WalkState"]


@dataclass(frozen=True)
class WalkState:
    """A batch of chains that know no gradient.

    Args:
        position: u, (chains, dim).
        log_density: (chains,).
        step_sizes: of each chain.
    """

    position: Tensor
    log_density: Tensor
    step_sizes: StepSizes


@dataclass(frozen=True)
class Metropolis:
    """Random-walk Metropolis: exact, and asks of the target nothing but its density.

        u' = u + eps * noise,   noise ~ N(0, I),   accepted with probability min(1, p(u') / p(u))

    A step is one pass without a gradient, but in many dimensions it must be short: of a Gaussian in d dimensions with
    standard deviation s, the best eps is about 2.4 s / sqrt(d), where 0.234 of the proposals are accepted, and it takes
    of the order of d steps to forget where the chain was.

    References:
        Equation of state calculations by fast computing machines (Metropolis et al., 1953)
        Weak convergence and optimal scaling of random walk Metropolis algorithms (Roberts et al., 1997)
    """

    serves: ClassVar[tuple[type, ...]] = (Reals,)
    jacobian: ClassVar[bool] = True
    latent: ClassVar[bool] = False

    step_size: float = field(
        default=0.1, metadata={"help": "eps: the first step's length; warm-up adapts it", "min": 1e-6, "max": 10.0}
    )
    target_acceptance: float = field(
        default=0.234, metadata={"help": "share of proposals to accept, sought in warm-up", "min": 0.01, "max": 0.99}
    )

    def __post_init__(self) -> None:
        hyperparameters.check(self)

    @torch.no_grad()
    def init(self, target: Target, position: Tensor) -> WalkState:
        log_density = target.log_density(position)
        check_possible(log_density, _finite(position, log_density))
        return WalkState(position.detach(), log_density, StepSizes.start(self.step_size, log_density))

    @torch.no_grad()
    def step(
        self, target: Target, state: WalkState, generator: Randomness, *, warmup: bool = False
    ) -> tuple[WalkState, Info]:
        noise = normal_like(state.position, generator)
        position = state.position + state.step_sizes.sizes(warmup=warmup) * noise
        log_density = target.log_density(position)
        finite = _finite(position, log_density)
        accepted, acceptance = decide(log_density - state.log_density, finite, generator)
        after = WalkState(
            position=torch.where(accepted[:, None], position, state.position),
            log_density=torch.where(accepted, log_density, state.log_density),
            step_sizes=state.step_sizes.learn(acceptance, self.target_acceptance, warmup=warmup),
        )
        return after, Info(~finite, acceptance)


def _finite(u: Tensor, log_density: Tensor) -> Tensor:
    """(chains,) True where both are finite."""
    return u.isfinite().all(1) & log_density.isfinite()
