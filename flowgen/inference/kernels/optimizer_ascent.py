"""Gradient ascent by the optimisers of torch.optim, in pixel space and in latent space."""

from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from flowgen import hyperparameters
from flowgen.inference.chains import Randomness
from flowgen.inference.kernels.gradient import GradientState, choose, propose, start
from flowgen.inference.kernels.kernel import Info
from flowgen.inference.target import Reals, Target

__all__ = ["LatentAscent", "OptimizedState", "PixelAscent"]

GROWTH, SHRINKAGE = 1.25, 0.5
DECAY = 100.0  # D of NICE's schedule


@dataclass(frozen=True)
class OptimizedState(GradientState):
    """Chains on their way up, with an optimiser each; these remember, so a state is stepped from only once.

    Args:
        optimizers: one a chain, over one parameter of (dim,).
        shares: of the full step length, which each chain takes at present.
    """

    optimizers: tuple[torch.optim.Optimizer, ...] = field(kw_only=True)
    shares: tuple[float, ...] = field(kw_only=True)


@dataclass(frozen=True)
class PixelAscent:
    """Gradient ascent in pixel space by torch.optim's L-BFGS or Adam, an optimiser a chain and one pass for all.

        u' = u + a_i * direction,   a_i = step_size,  or  step_size * D / (D + i) by NICE's schedule

    A step that would lower the density, or leads to where it is not finite, is refused: the chain stays, halves its
    length and begins with a new optimiser; after steps taken the length grows back. That stands in for a line search,
    whose passes the chains could not share.

    References:
        On the limited memory BFGS method for large scale optimization (Liu & Nocedal, 1989)
        Adam: A Method for Stochastic Optimization (Kingma & Ba, 2014), arXiv:1412.6980
        NICE: Non-linear Independent Components Estimation (Dinh et al., 2014), arXiv:1410.8516, for the schedule
    """

    serves: ClassVar[tuple[type, ...]] = (Reals,)
    jacobian: ClassVar[bool] = False
    latent: ClassVar[bool] = False

    optimizer: Literal["lbfgs", "adam"] = field(default="lbfgs", metadata={"help": "of torch.optim"})
    schedule: Literal["constant", "nice"] = field(
        default="constant", metadata={"help": "nice: the length has halved after 100 steps"}
    )
    step_size: float = field(
        default=0.5, metadata={"help": "the learning rate: 1 is a whole step of L-BFGS", "min": 1e-6, "max": 10.0}
    )

    def __post_init__(self) -> None:
        hyperparameters.check(self)

    def init(self, target: Target, position: Tensor) -> OptimizedState:
        state = start(target, position)
        optimizers = tuple(self._optimizer(u) for u in state.position)
        return OptimizedState(**vars(state), optimizers=optimizers, shares=(1.0,) * len(optimizers))

    def step(
        self, target: Target, state: OptimizedState, generator: Randomness, *, warmup: bool = False
    ) -> tuple[OptimizedState, Info]:
        proposed, finite = propose(target, state, self._ascended(state))
        higher = finite & (proposed.log_density >= state.log_density)
        after, taken = choose(higher, proposed, state), [bool(up) for up in higher.cpu()]
        optimizers = tuple(
            optimizer if up else self._optimizer(u)
            for optimizer, up, u in zip(state.optimizers, taken, after.position, strict=True)
        )
        shares = tuple(
            min(1.0, GROWTH * share) if up else SHRINKAGE * share for share, up in zip(state.shares, taken, strict=True)
        )
        return OptimizedState(**vars(after), optimizers=optimizers, shares=shares), Info(~finite)

    def _optimizer(self, u: Tensor) -> torch.optim.Optimizer:
        """A new one, over a parameter that stands at u, (dim,)."""
        parameter = nn.Parameter(u.clone())
        if self.optimizer == "adam":
            return torch.optim.Adam([parameter])
        return torch.optim.LBFGS([parameter], max_iter=1)

    def _ascended(self, state: OptimizedState) -> Tensor:
        """Where the optimisers take their parameters, (chains, dim): down -log p, by the gradients that are at hand."""
        length = self.step_size * (DECAY / (DECAY + state.step) if self.schedule == "nice" else 1.0)
        moved = []
        for i, (optimizer, share) in enumerate(zip(state.optimizers, state.shares, strict=True)):
            group = optimizer.param_groups[0]
            (parameter,), group["lr"] = group["params"], length * share
            parameter.grad = -state.gradient[i]
            optimizer.step(partial(float, -state.log_density[i]))
            moved.append(parameter.detach().clone())
        return torch.stack(moved)


@dataclass(frozen=True)
class LatentAscent(PixelAscent):
    """Gradient ascent in a flow's latent space: to the latent that is likeliest and whose picture agrees.

        log N(w; 0, I) + log N(c(known); c(G(w)_known), sigma^2),   w normal coordinates of the prior, G decodes

    It is the mode of another density than the pixels': one of latents. See PixelAscent for the rest.
    """

    latent: ClassVar[bool] = True
