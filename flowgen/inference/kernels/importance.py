"""Importance sampling with resampling: draws from the reference, kept by their weight."""

import math
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from flowgen import hyperparameters
from flowgen.inference.chains import Randomness, uniform_like
from flowgen.inference.kernels.kernel import Info, check_possible
from flowgen.inference.kernels.particles import draw, log_mean_exp, systematic
from flowgen.inference.kernels.tempering import reference_of
from flowgen.inference.target import Reals, Target

__all__ = ["Importance", "ImportanceState"]


@dataclass(frozen=True)
class ImportanceState:
    """One draw a chain of all the particles that it has seen, with their weights.

    Args:
        position: u, (chains, dim).
        log_density: the target's, (chains,).
        log_weight: of all particles so far together, (chains,).
        num_drawn: how many these are.
    """

    position: Tensor
    log_density: Tensor
    log_weight: Tensor
    num_drawn: int = 0


@dataclass(frozen=True)
class Importance:
    """Importance sampling from the target's reference, and resampling: num_particles draws a step.

        u_j ~ reference,   w_j = likelihood(u_j),   evidence = mean_j w_j,   position = u_j with probability w_j / sum w

    A chain goes on drawing: its position is resampled from all its particles since the start, by a reservoir of one,
    which takes the newest step's draw with that step's share of the weight. It tends to an exact draw as they become
    many, and stays where it is in between. The estimate of the evidence is unbiased at every step. As for all that
    draws from the reference, there must be enough of them: of the order of exp(KL(posterior | reference)).

    References:
        Using the SIR algorithm to simulate posterior distributions (Rubin, 1988)
        The sample size required in importance sampling (Chatterjee & Diaconis, 2018), arXiv:1511.01437
    """

    serves: ClassVar[tuple[type, ...]] = (Reals,)
    jacobian: ClassVar[bool] = True
    latent: ClassVar[bool] = False

    num_particles: int = field(default=16, metadata={"help": "draws a step of each completion", "min": 2, "max": 4096})

    def __post_init__(self) -> None:
        hyperparameters.check(self)

    @torch.no_grad()
    def init(self, target: Target, position: Tensor) -> ImportanceState:
        reference_of(target)
        log_density = target.log_density(position)
        check_possible(log_density, log_density.isfinite())
        return ImportanceState(position.detach(), log_density, torch.full_like(log_density, -torch.inf))

    @torch.no_grad()
    def step(
        self, target: Target, state: ImportanceState, generator: Randomness, *, warmup: bool = False
    ) -> tuple[ImportanceState, Info]:
        points = draw(target, state.position, self.num_particles, generator)
        log_weights = points.log_likelihood.view(-1, self.num_particles)
        possible = log_weights.isfinite()
        # Where nothing is possible any draw will do: its weight is 0, and it is not taken.
        drawn = systematic(torch.where(possible.any(1, keepdim=True), log_weights, 0.0), generator)[:, 0]
        chosen = points.at(torch.arange(len(drawn), device=drawn.device) * self.num_particles + drawn)
        log_new = log_weights.logsumexp(1)
        log_weight = torch.logaddexp(state.log_weight, log_new)
        share = torch.where(possible.any(1), (log_new - log_weight).exp(), 0.0)
        taken = uniform_like(share, generator) < share
        log_density = reference_of(target).log_prob(chosen.position) + chosen.log_likelihood
        after = ImportanceState(
            position=torch.where(taken[:, None], chosen.position, state.position),
            log_density=torch.where(taken, log_density, state.log_density),
            log_weight=log_weight,
            num_drawn=state.num_drawn + self.num_particles,
        )
        return after, Info(~possible.all(1), log_evidence=log_mean_exp(log_weight) - math.log(after.num_drawn))
