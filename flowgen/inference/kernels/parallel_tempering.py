"""Parallel tempering: chains at a ladder of temperatures that change places."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from flowgen import hyperparameters
from flowgen.inference.chains import Randomness, for_rows, uniform_like
from flowgen.inference.kernels.kernel import Info
from flowgen.inference.kernels.tempering import MOVES, Moves, Points, place, reference_of, take, temper
from flowgen.inference.target import Reals, Target

__all__ = ["LadderState", "ParallelTempering"]


@dataclass(frozen=True)
class LadderState:
    """Ladders, one a chain, each rung a row; the coldest rung is the chain's own position.

    Args:
        position: u at beta = 1, (chains, dim).
        log_density: the target's there, (chains,).
        moving: the state of the kernel that moves the rungs, (chains * num_temperatures,) rows.
        step: how many steps led here.
    """

    position: Tensor
    log_density: Tensor
    moving: Any
    step: int = 0


@dataclass(frozen=True)
class ParallelTempering:
    """Parallel tempering (replica exchange): exact, each rung moved by a kernel, and neighbours swapped in turn.

        beta_k = hottest^(k / (K - 1)),   k = 0, ..., K - 1;   rung k moves on reference(u) likelihood(u)^beta_k
        then rungs k and k + 1, k even at even steps and odd at odd ones, swap with probability
            min(1, exp((beta_k - beta_(k+1)) (log likelihood(u_(k+1)) - log likelihood(u_k))))

    What is hot crosses valleys that the target itself would hold a chain in, and hands on what it finds. Even and odd
    pairs take turns, which carries a point along the ladder faster than pairs drawn at random. Of a target of d
    dimensions, neighbours swap often where beta_k / beta_(k+1) is within about 1 + sqrt(2 / d).

    References:
        Markov chain Monte Carlo maximum likelihood (Geyer, 1991)
        Non-reversible parallel tempering (Syed et al., 2022), arXiv:1905.02939
    """

    serves: ClassVar[tuple[type, ...]] = (Reals,)
    jacobian: ClassVar[bool] = True
    latent: ClassVar[bool] = False

    moves: Moves = field(default="mala", metadata={"help": "the method that moves each rung"})
    step_size: float = field(
        default=0.01, metadata={"help": "of the moves at first; warm-up adapts each rung's", "min": 1e-6, "max": 1.0}
    )
    num_temperatures: int = field(
        default=4, metadata={"help": "K: rungs of each completion, all of them computed", "min": 2, "max": 64}
    )
    hottest: float = field(
        default=0.7, metadata={"help": "beta of the last rung; 1 is the target's", "min": 0.01, "max": 0.99}
    )

    def __post_init__(self) -> None:
        hyperparameters.check(self)
        _ = self.kernel

    @property
    def kernel(self) -> Any:
        """What moves the rungs."""
        return MOVES[self.moves](step_size=self.step_size)

    def init(self, target: Target, position: Tensor) -> LadderState:
        reference_of(target)
        beta = self._betas(position)
        moving = self.kernel.init(temper(target, beta), position.repeat_interleave(self.num_temperatures, 0))
        return self._coldest(moving, 0)

    def step(
        self, target: Target, state: LadderState, generator: Randomness, *, warmup: bool = False
    ) -> tuple[LadderState, Info]:
        rows, beta = for_rows(generator, self.num_temperatures), self._betas(state.position)
        moving, info = self.kernel.step(temper(target, beta), state.moving, rows, warmup=warmup)
        points = take(target, moving, beta)
        points = points.at(self._swap(points, beta, state.step % 2, rows))
        moving = place(self.kernel, target, points, beta, moving.step_sizes)
        rejected, acceptance = (value.view(-1, self.num_temperatures) for value in (info.rejected, info.acceptance))
        return self._coldest(moving, state.step + 1), Info(rejected.any(1), acceptance[:, 0])

    def _betas(self, position: Tensor) -> Tensor:
        """The ladder, once a chain: (chains * K,)."""
        rungs = torch.arange(self.num_temperatures, device=position.device, dtype=position.dtype)
        return (self.hottest ** (rungs / (self.num_temperatures - 1))).repeat(len(position))

    def _swap(self, points: Points, beta: Tensor, parity: int, generator: Randomness) -> Tensor:
        """Which row each rung goes on from: (chains * K,), its own or a neighbour's of the same chain."""
        log_likelihood = points.log_likelihood
        rows = torch.arange(len(beta), device=beta.device)
        rungs = rows % self.num_temperatures
        lower = (rungs % 2 == parity) & (rungs + 1 < self.num_temperatures)
        log_ratio = (beta - beta.roll(-1)) * (log_likelihood.roll(-1) - log_likelihood)
        swapped = (lower & (uniform_like(beta, generator) < _probability(log_ratio))).long()
        return rows + swapped - swapped.roll(1)

    def _coldest(self, moving: Any, step: int) -> LadderState:
        rungs = self.num_temperatures
        return LadderState(moving.position[::rungs], moving.log_density[::rungs], moving, step)


def _probability(log_ratio: Tensor) -> Tensor:
    """Of a swap, by Metropolis' rule."""
    return log_ratio.clamp_max(0).exp()
