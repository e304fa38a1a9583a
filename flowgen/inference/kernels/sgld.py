"""Stochastic-gradient Langevin dynamics: Langevin's steps, ever shorter, on known bytes that are drawn anew at each."""

from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor

from flowgen import hyperparameters
from flowgen.inference.chains import Randomness, normal_like
from flowgen.inference.kernels.gradient import GradientState, choose, langevin_update, propose, start
from flowgen.inference.kernels.kernel import Info
from flowgen.inference.target import Reals, Target

__all__ = ["SGLD"]


@dataclass(frozen=True)
class SGLD:
    """Stochastic-gradient Langevin dynamics: no step is refused, and the steps' bias fades with their length.

        u' = u + eps_t / 2 * grad log p(u | known + r_t) + sqrt(eps_t) * noise,   r_t uniform within the known bytes
        eps_t = a (b + t)^-gamma,   a = step_size b^gamma

    A known byte stands for all values of its level, and each gradient sees others of them. With steps whose sum
    diverges and whose squares' does not (gamma in (1/2, 1]) the chain tends to the density that has the mean gradient,
    exp(mean over r of log p(u | known + r)): the midpoints that other methods condition on are one r among these. The
    log-density that a state reports is that of its own r. On a target without known bytes nothing is drawn anew.

    References:
        Bayesian Learning via Stochastic Gradient Langevin Dynamics (Welling & Teh, 2011)
    """

    serves: ClassVar[tuple[type, ...]] = (Reals,)
    jacobian: ClassVar[bool] = True
    latent: ClassVar[bool] = False

    step_size: float = field(default=0.02, metadata={"help": "eps of the first step", "min": 1e-6, "max": 10.0})
    delay: float = field(default=50.0, metadata={"help": "b: steps before eps falls off", "min": 1.0, "max": 1e6})
    decay: float = field(default=0.55, metadata={"help": "gamma: how fast eps falls off then", "min": 0.5, "max": 1.0})

    def __post_init__(self) -> None:
        hyperparameters.check(self)

    def init(self, target: Target, position: Tensor) -> GradientState:
        return start(target, position)

    def step(
        self, target: Target, state: GradientState, generator: Randomness, *, warmup: bool = False
    ) -> tuple[GradientState, Info]:
        eps = self.step_size * (1 + state.step / self.delay) ** -self.decay
        noise = normal_like(state.position, generator)
        position = langevin_update(state.position, state.gradient, eps, 1.0, noise)
        seen = target if target.dequantized is None else target.dequantized(len(position), generator)
        proposed, finite = propose(seen, state, position)
        return choose(finite, proposed, state), Info(~finite)
