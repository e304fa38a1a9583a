"""Sequential Monte Carlo along the raster: holes of any shape, by a model that draws row by row."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from flowgen.hyperparameters import check
from flowgen.inference.chains import ChainGenerators, Randomness, uniform_like
from flowgen.inference.frame import Frame
from flowgen.inference.kernels.particles import log_mean_exp
from flowgen.inference.levels_target import LevelsTarget, levels_target
from flowgen.inference.raster import Cloud, move_along

if TYPE_CHECKING:
    from flowgen.models.image_model import Sequential

__all__ = ["RasterSMC"]


@dataclass(frozen=True)
class RasterSMC:
    """Particles draw hidden pixels from the model, are weighed by the known ones, and are resampled as these disagree.

        k_t ~ p(k_t | k_<t) where t is hidden,   w <- w p(k_t | k_<t) where it is known

    Each variant has particles of its own and is one of them, drawn by its weight: variants are independent of each
    other, and follow p(hidden | known) the more closely, the more particles there are. The mean of the variants'
    estimates of p(known) is unbiased. Where nothing known comes after anything hidden, all weights are alike and each
    variant is an exact draw.

    References:
        A tutorial on particle filtering and smoothing: fifteen years later (Doucet & Johansen, 2009)
    """

    num_particles: int = field(default=64, metadata={"help": "of each variant", "min": 1, "max": 4096})
    threshold: float = field(
        default=0.5,
        metadata={"help": "resample where the effective share of the particles falls below this", "min": 0, "max": 1},
    )

    def __post_init__(self) -> None:
        check(self)

    def complete(
        self, model: "Sequential", image: Tensor, known: Tensor, *, seed: int, variants: range
    ) -> Iterator[Frame]:
        """A frame a row, known rows included; hidden pixels that are not drawn yet are black.

        Args:
            model: draws in raster order.
            image: (c, h, w) bytes below `model.levels`.
            known: (c, h, w) bool, True where observed, alike for all colours.
            seed: with a variant's number, keys its draws.
            variants: the variants' numbers.

        Raises:
            FlowgenError: if the model gives a known level probability 0: before the first frame if it comes before the
                hole, and otherwise when no particle allows it.
        """
        target, randomness = levels_target(model, image, known), ChainGenerators(seed, variants)
        last = uniform_like(target.sequence.prefix.log_mass.expand(len(variants)), randomness)
        clouds = self.clouds(target, len(variants), randomness)
        return (self._frame(target, cloud, last, num_steps=image.shape[1]) for cloud in clouds)

    def clouds(self, target: LevelsTarget, chains: int, randomness: Randomness) -> Iterator[Cloud]:
        """The weighted particles of each chain, a row after another."""
        return move_along(target.sequence, chains, self.num_particles, self.threshold, randomness)

    def draw(self, target: LevelsTarget, chains: int, randomness: Randomness) -> Tensor:
        """One completion a chain, (chains, dim), where chains may start."""
        *_, cloud = self.clouds(target, chains, randomness)
        return cloud.pick(uniform_like(cloud.log_evidence, randomness))[0]

    def _frame(self, target: LevelsTarget, cloud: Cloud, u: Tensor, num_steps: int) -> Frame:
        position, log_mass = cloud.pick(u)
        evidence = cloud.log_evidence
        return Frame(
            step=cloud.rows,
            num_steps=num_steps,
            position=position,
            log_density=log_mass,
            rejections=torch.zeros_like(log_mass, dtype=torch.int64),
            acceptance=None,
            warming_up=False,
            to_image=target.to_image,
            log_evidence=float(log_mean_exp(evidence)),
        )
