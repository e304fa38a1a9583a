"""Particle Gibbs: sequential Monte Carlo made a kernel that is exact for any number of particles."""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from flowgen import hyperparameters
from flowgen.inference.chains import Randomness, uniform_like
from flowgen.inference.kernels.kernel import Info, check_possible
from flowgen.inference.levels_target import sequence_of
from flowgen.inference.raster import move_along
from flowgen.inference.target import Levels, Target

__all__ = ["ParticleGibbs", "ParticleState"]


@dataclass(frozen=True)
class ParticleState:
    """A batch of chains, each at one completion.

    Args:
        position: levels in raster order, (chains, dim).
        log_density: (chains,).
    """

    position: Tensor
    log_density: Tensor


@dataclass(frozen=True)
class ParticleGibbs:
    """Conditional sequential Monte Carlo: exact, and each step a fresh completion of the whole hole.

        particle 0 is held to the chain's own completion, the others are drawn, weighed and resampled beside it,
        and the chain goes to one of all by its weight

    It leaves p(hidden | known) as it is from two particles on, and forgets the faster, the more there are. Particles
    descend from few of those of many resamplings ago, so that what is hidden first changes most slowly; holding the
    ancestors too (ancestor sampling) would cost a pass over the whole image for each particle at each resampling.

    References:
        Particle Markov chain Monte Carlo methods (Andrieu et al., 2010)
    """

    serves: ClassVar[tuple[type, ...]] = (Levels,)
    jacobian: ClassVar[bool] = True
    latent: ClassVar[bool] = False

    num_particles: int = field(default=16, metadata={"help": "of each chain", "min": 2, "max": 4096})
    threshold: float = field(
        default=0.5,
        metadata={"help": "resample where the effective share of the particles falls below this", "min": 0, "max": 1},
    )

    def __post_init__(self) -> None:
        hyperparameters.check(self)

    @torch.no_grad()
    def init(self, target: Target, position: Tensor) -> ParticleState:
        sequence_of(target)
        log_density = target.log_density(position)
        check_possible(log_density, log_density.isfinite())
        return ParticleState(position, log_density)

    @torch.no_grad()
    def step(
        self, target: Target, state: ParticleState, generator: Randomness, *, warmup: bool = False
    ) -> tuple[ParticleState, Info]:
        chains = len(state.position)
        clouds = move_along(
            sequence_of(target), chains, self.num_particles, self.threshold, generator, retained=state.position
        )
        *_, cloud = clouds
        position, log_mass = cloud.pick(uniform_like(cloud.log_evidence, generator))
        return ParticleState(position, log_mass), Info(torch.zeros_like(log_mass, dtype=torch.bool))
