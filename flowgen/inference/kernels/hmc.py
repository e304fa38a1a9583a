"""Hamiltonian Monte Carlo: far proposals along the target's own dynamics."""

from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor

from flowgen import hyperparameters
from flowgen.inference.chains import Randomness, normal_like, uniform_like
from flowgen.inference.kernels.acceptance import decide
from flowgen.inference.kernels.gradient import GradientState, choose, propose, start
from flowgen.inference.kernels.kernel import Info
from flowgen.inference.kernels.mala import AdaptiveState
from flowgen.inference.kernels.step_sizes import StepSizes
from flowgen.inference.target import Reals, Target

__all__ = ["HMC"]

JITTER = 0.2  # a path of one length comes back to where it began in directions of one period


@dataclass(frozen=True)
class HMC:
    """Hamiltonian Monte Carlo by the leapfrog integrator: exact, num_leapfrog passes with their gradients a step.

        p ~ N(0, I);   L times:   p += eps / 2 * grad log p(u),   u += eps * p,   p += eps / 2 * grad log p(u)
        accepted with probability min(1, exp(H - H')),   H = |p|^2 / 2 - log p(u)

    The eps of a step is drawn uniformly within a fifth of the chain's step size, lest a path's length be a period of
    the dynamics. Of a Gaussian with standard deviations from s to S, eps is stable below 2 s, and a path that is long
    enough has L eps of about 1.6 S.

    References:
        Hybrid Monte Carlo (Duane et al., 1987)
        MCMC using Hamiltonian dynamics (Neal, 2011), arXiv:1206.1901; its acceptance and jitter: sections 4.4 and 3.2
    """

    serves: ClassVar[tuple[type, ...]] = (Reals,)
    jacobian: ClassVar[bool] = True
    latent: ClassVar[bool] = False

    step_size: float = field(
        default=0.05, metadata={"help": "eps of the first step; warm-up adapts it", "min": 1e-6, "max": 10.0}
    )
    num_leapfrog: int = field(
        default=10, metadata={"help": "L: gradients a step; more go farther and take longer", "min": 1, "max": 100}
    )
    target_acceptance: float = field(
        default=0.8, metadata={"help": "share of proposals to accept, sought in warm-up", "min": 0.01, "max": 0.99}
    )

    def __post_init__(self) -> None:
        hyperparameters.check(self)

    def init(self, target: Target, position: Tensor) -> AdaptiveState:
        state = start(target, position)
        return AdaptiveState(**vars(state), step_sizes=StepSizes.start(self.step_size, state.log_density))

    def step(
        self, target: Target, state: AdaptiveState, generator: Randomness, *, warmup: bool = False
    ) -> tuple[AdaptiveState, Info]:
        jitter = 1 + JITTER * (2 * uniform_like(state.log_density, generator) - 1)
        eps = state.step_sizes.sizes(warmup=warmup) * jitter[:, None]
        momentum = normal_like(state.position, generator)
        proposed, arriving, finite = self._path(target, state, momentum, eps)
        accepted, acceptance = decide(_energy(state, momentum) - _energy(proposed, arriving), finite, generator)
        step_sizes = state.step_sizes.learn(acceptance, self.target_acceptance, warmup=warmup)
        return AdaptiveState(**vars(choose(accepted, proposed, state)), step_sizes=step_sizes), Info(
            ~finite, acceptance
        )

    def _path(
        self, target: Target, state: GradientState, momentum: Tensor, eps: Tensor
    ) -> tuple[GradientState, Tensor, Tensor]:
        """Where L leapfrog steps of eps, (chains, 1), lead, with what momentum, and whether all of it is finite.

        What is not finite on the way is not finite at the end: the momentum takes it along.
        """
        here = state
        for _ in range(self.num_leapfrog):
            momentum = momentum + 0.5 * eps * here.gradient
            here, finite = propose(target, state, here.position + eps * momentum)
            momentum = momentum + 0.5 * eps * here.gradient
        return here, momentum, finite


def _energy(state: GradientState, momentum: Tensor) -> Tensor:
    """H, (chains,): the kinetic energy, less the log-density."""
    return 0.5 * momentum.square().sum(1) - state.log_density
