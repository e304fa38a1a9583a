"""Unadjusted Langevin: gradient steps with the noise that makes them sample."""

from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor

from flowgen import hyperparameters
from flowgen.inference.chains import Randomness, normal_like
from flowgen.inference.kernels.gradient import GradientState, choose, langevin_update, propose, start
from flowgen.inference.kernels.kernel import Info
from flowgen.inference.target import Reals, Target

__all__ = ["Langevin"]


@dataclass(frozen=True)
class Langevin:
    """The unadjusted Langevin algorithm: many plausible completions, each step taken as it falls.

        u' = u + eps / 2 * grad log p(u) + sqrt(eps * T) * noise,   noise ~ N(0, I)

    It samples p with a bias of order eps, since nothing is rejected but what is not finite: a Gaussian of covariance S
    comes out with covariance S (I - eps S^-1 / 4)^-1 at T = 1, and the chain runs away where eps exceeds 4 times the
    smallest variance.

    References:
        Exponential convergence of Langevin distributions and their discrete approximations (Roberts & Tweedie, 1996)
    """

    serves: ClassVar[tuple[type, ...]] = (Reals,)
    jacobian: ClassVar[bool] = True
    latent: ClassVar[bool] = False

    step_size: float = field(
        default=0.01, metadata={"help": "eps: larger explores faster and is less exact", "min": 1e-6, "max": 10.0}
    )
    temperature: float = field(
        default=1.0, metadata={"help": "T: 1 samples the model, less keeps closer to the mode", "min": 0.0, "max": 2.0}
    )

    def __post_init__(self) -> None:
        hyperparameters.check(self)

    def init(self, target: Target, position: Tensor) -> GradientState:
        return start(target, position)

    def step(
        self, target: Target, state: GradientState, generator: Randomness, *, warmup: bool = False
    ) -> tuple[GradientState, Info]:
        noise = normal_like(state.position, generator)
        position = langevin_update(state.position, state.gradient, self.step_size, self.temperature, noise)
        proposed, finite = propose(target, state, position)
        return choose(finite, proposed, state), Info(~finite)
