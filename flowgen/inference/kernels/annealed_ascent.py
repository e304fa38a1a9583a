"""NICE's annealed noisy ascent: towards the mode, with noise that fades as the steps do."""

from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor

from flowgen import hyperparameters
from flowgen.inference.chains import Randomness, normal_like
from flowgen.inference.kernels.gradient import GradientState, choose, langevin_update, propose, start
from flowgen.inference.kernels.kernel import Info
from flowgen.inference.target import Reals, Target

__all__ = ["AnnealedAscent"]


@dataclass(frozen=True)
class AnnealedAscent:
    """Noisy gradient ascent as NICE inpaints: noise is added to the gradient, and both shrink together.

        u' = u + a_i * (grad log p(u) + noise),   a_i = a_0 * D / (D + i),   noise ~ N(0, I)

    The noise has scale a_i, not the sqrt(2 a_i) of Langevin: this is the Langevin update with eps = 2 a_i at the
    temperature a_i / 2, which anneals to zero. It ends near a mode and does not sample; the noise is there to leave
    saddles and small bumps on the way.

    References:
        NICE: Non-linear Independent Components Estimation (Dinh et al., 2014), arXiv:1410.8516, section 5.2,
        where a_i = 10 / (100 + i)
    """

    serves: ClassVar[tuple[type, ...]] = (Reals,)
    jacobian: ClassVar[bool] = False
    latent: ClassVar[bool] = False

    step_size: float = field(default=0.01, metadata={"help": "a_0: the first step's length", "min": 1e-6, "max": 10.0})
    decay: float = field(
        default=100.0, metadata={"help": "D: after this many steps the length has halved", "min": 1.0, "max": 1e6}
    )

    def __post_init__(self) -> None:
        hyperparameters.check(self)

    def init(self, target: Target, position: Tensor) -> GradientState:
        return start(target, position)

    def step(
        self, target: Target, state: GradientState, generator: Randomness, *, warmup: bool = False
    ) -> tuple[GradientState, Info]:
        length = self.step_size * self.decay / (self.decay + state.step)
        noise = normal_like(state.position, generator)
        position = langevin_update(state.position, state.gradient, 2 * length, length / 2, noise)
        proposed, finite = propose(target, state, position)
        return choose(finite, proposed, state), Info(~finite)
