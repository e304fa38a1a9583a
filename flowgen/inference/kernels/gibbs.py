"""Gibbs: a pixel at a time, drawn from its exact law given all others by trying every level."""

import math
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from flowgen import hyperparameters
from flowgen.errors import FlowgenError
from flowgen.inference.chains import Randomness, uniform_like
from flowgen.inference.kernels.kernel import Info, check_possible
from flowgen.inference.sequential_target import draw_index
from flowgen.inference.target import Levels, Target

__all__ = ["Gibbs", "GibbsState"]

MAX_COMBINATIONS = 65_536
AT_ONCE = 512  # images in a pass of the model, which bounds the memory


@dataclass(frozen=True)
class GibbsState:
    """A batch of chains in turn at one place.

    Args:
        position: levels, (chains, dim).
        log_density: (chains,).
        place: the unknown that comes next.
    """

    position: Tensor
    log_density: Tensor
    place: int


@dataclass(frozen=True)
class Gibbs:
    """Gibbs sampling: exact, and asks of the target nothing but its density.

        u_i ~ p(u_i | u_others) = p(u) / sum_v p(u with v at i),   i = 1, ..., dim in turn

    A step is one pixel (or a few at once) of every chain and costs a pass for each of its levels: with 256 of them it
    is slow, and Metropolis within Gibbs, which tries one, goes further in the same time.

    References:
        Stochastic relaxation, Gibbs distributions, and the Bayesian restoration of images (Geman & Geman, 1984)
    """

    serves: ClassVar[tuple[type, ...]] = (Levels,)
    jacobian: ClassVar[bool] = True
    latent: ClassVar[bool] = False

    block: int = field(
        default=1,
        metadata={"help": "consecutive hidden values drawn at once; levels ** block are tried", "min": 1, "max": 16},
    )

    def __post_init__(self) -> None:
        hyperparameters.check(self)

    @torch.no_grad()
    def init(self, target: Target, position: Tensor) -> GibbsState:
        levels = _levels(target)
        if levels**self.block > MAX_COMBINATIONS:
            raise FlowgenError(
                f"{self.block} values of {levels} levels are {levels**self.block} combinations to try, and the most "
                f"is {MAX_COMBINATIONS}: choose a smaller block."
            )
        log_density = target.log_density(position)
        check_possible(log_density, log_density.isfinite())
        return GibbsState(position, log_density, 0)

    @torch.no_grad()
    def step(
        self, target: Target, state: GibbsState, generator: Randomness, *, warmup: bool = False
    ) -> tuple[GibbsState, Info]:
        end = min(state.place + self.block, state.position.shape[1])
        every = torch.arange(_levels(target), device=state.position.device)
        values = torch.cartesian_prod(*[every] * (end - state.place)).view(-1, end - state.place)
        log_densities = _log_densities(target, state.position, state.place, values)
        possible = torch.where(log_densities.isfinite(), log_densities, -math.inf)
        chosen = draw_index(possible, uniform_like(state.log_density, generator))
        position = state.position.clone()
        position[:, state.place : end] = values[chosen]
        log_density = log_densities.gather(1, chosen[:, None])[:, 0]
        after = GibbsState(position, log_density, end % position.shape[1])
        return after, Info(log_densities.isnan().any(1))


def _log_densities(target: Target, position: Tensor, place: int, values: Tensor) -> Tensor:
    """Of every chain with each of the values at a place, a bounded number at once: (chains, len(values))."""
    columns = []
    for some in values.split(max(1, AT_ONCE // len(position))):
        tried = position[:, None].repeat(1, len(some), 1)
        tried[:, :, place : place + some.shape[1]] = some
        columns.append(target.log_density(tried.flatten(0, 1)).view(len(position), -1))
    return torch.cat(columns, 1)


def _levels(target: Target) -> int:
    if not isinstance(target.space, Levels):
        raise FlowgenError("Gibbs tries every level in turn, and this target's unknowns are not levels.")
    return target.space.levels
