"""Metropolis within Gibbs: a run of hidden pixels at a time, proposed by the model's own conditionals."""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from flowgen import hyperparameters
from flowgen.inference.chains import Randomness, uniform_like
from flowgen.inference.kernels.acceptance import decide
from flowgen.inference.kernels.kernel import Info, check_possible
from flowgen.inference.levels_target import sequence_of
from flowgen.inference.sequential_target import Partial, SequentialTarget
from flowgen.inference.target import Levels, Target

__all__ = ["MetropolisWithinGibbs", "SweepState"]


@dataclass(frozen=True)
class SweepState:
    """A batch of chains, and how far their sweep over the hidden pixels has come.

    Args:
        position: levels in raster order, (chains, dim).
        log_density: (chains,).
        sweep: the chains' own images up to where the next block begins; never changed in place.
    """

    position: Tensor
    log_density: Tensor
    sweep: Partial


@dataclass(frozen=True)
class MetropolisWithinGibbs:
    """Blocks of hidden pixels in turn, proposed in raster order and accepted by what the rest of the image says.

        q(u'_B) = prod over t in B of p(k'_t | k'_<t),   accepted with probability
        min(1, p(k') q(u_B) / (p(k) q(u'_B))) = min(1, product of all other factors at k' / the same at k)

    A proposal knows all that comes before it, and only known and hidden pixels that come after can speak against it. A
    step is one block, and costs its pixels of the cached pass, which is carried along, and a pass over whole images.

    References:
        Markov chains for exploring posterior distributions (Tierney, 1994)
    """

    serves: ClassVar[tuple[type, ...]] = (Levels,)
    jacobian: ClassVar[bool] = True
    latent: ClassVar[bool] = False

    block: int = field(
        default=4,
        metadata={"help": "consecutive hidden values proposed at once; few are accepted, many save passes", "min": 1,
                  "max": 4096},
    )  # fmt: skip

    def __post_init__(self) -> None:
        hyperparameters.check(self)

    @torch.no_grad()
    def init(self, target: Target, position: Tensor) -> SweepState:
        log_density = target.log_density(position)
        check_possible(log_density, log_density.isfinite())
        return SweepState(position, log_density, sequence_of(target).init(len(position)))

    @torch.no_grad()
    def step(
        self, target: Target, state: SweepState, generator: Randomness, *, warmup: bool = False
    ) -> tuple[SweepState, Info]:
        sequence, chains = sequence_of(target), torch.arange(len(state.position), device=state.position.device)
        both = sequence.reindex(state.sweep, chains.repeat(2))  # each chain as it is, then as it is proposed to be
        start, forward = both.filled, self._propose(sequence, both, state.position, generator)
        proposed = state.position.clone()
        proposed[:, start : both.filled] = both.position[len(chains) :, start : both.filled]
        log_density = target.log_density(proposed)
        backward_of_old, forward_of_new = forward.chunk(2)
        log_ratio = log_density - state.log_density + (backward_of_old - forward_of_new)
        finite = log_density.isfinite() & forward_of_new.isfinite()
        accepted, acceptance = decide(log_ratio, finite, generator)
        sweep = sequence.reindex(both, torch.where(accepted, chains + len(chains), chains))
        after = SweepState(
            position=torch.where(accepted[:, None], proposed, state.position),
            log_density=torch.where(accepted, log_density, state.log_density),
            sweep=sequence.init(len(chains)) if both.filled == proposed.shape[1] else sweep,
        )
        return after, Info(~finite, acceptance)

    def _propose(self, sequence: SequentialTarget, both: Partial, old: Tensor, generator: Randomness) -> Tensor:
        """Go on by one block, the first half held to the chains' own levels: (2 chains,) log q of what was put."""
        log_q, end = torch.zeros_like(both.log_mass), min(both.filled + self.block, old.shape[1])
        drawn = torch.full_like(old[:, 0], -1)
        while both.filled < end:
            hidden = sequence.hidden_next(both)
            u = uniform_like(both.log_mass[: len(old)], generator) if hidden else both.log_mass[: len(old)]
            given = torch.cat((old[:, both.filled], drawn))
            log_prob = sequence.advance(both, u.repeat(2), given)
            log_q = log_q + log_prob if hidden else log_q
        return log_q
