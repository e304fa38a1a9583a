"""Kernels: how a batch of chains moves. A new one is a file here and a line in KERNELS."""

from typing import Any

from flowgen.hyperparameters import configure
from flowgen.inference.kernels.annealed_ascent import AnnealedAscent
from flowgen.inference.kernels.gibbs import Gibbs
from flowgen.inference.kernels.gradient_ascent import GradientAscent
from flowgen.inference.kernels.hmc import HMC
from flowgen.inference.kernels.importance import Importance
from flowgen.inference.kernels.independence import Independence
from flowgen.inference.kernels.kernel import Info, Kernel, State
from flowgen.inference.kernels.langevin import Langevin
from flowgen.inference.kernels.mala import MALA
from flowgen.inference.kernels.metropolis import Metropolis
from flowgen.inference.kernels.metropolis_within_gibbs import MetropolisWithinGibbs
from flowgen.inference.kernels.optimizer_ascent import LatentAscent, PixelAscent
from flowgen.inference.kernels.parallel_tempering import ParallelTempering
from flowgen.inference.kernels.particle_gibbs import ParticleGibbs
from flowgen.inference.kernels.pcn import PCN
from flowgen.inference.kernels.pl_mcmc import PLMCMC
from flowgen.inference.kernels.sgld import SGLD
from flowgen.inference.kernels.smc import SMC

__all__ = [
    "HMC",
    "KERNELS",
    "MALA",
    "PCN",
    "PLMCMC",
    "SGLD",
    "SMC",
    "AnnealedAscent",
    "Gibbs",
    "GradientAscent",
    "Importance",
    "Independence",
    "Info",
    "Kernel",
    "Langevin",
    "LatentAscent",
    "Metropolis",
    "MetropolisWithinGibbs",
    "ParallelTempering",
    "ParticleGibbs",
    "PixelAscent",
    "State",
    "configure",
]

KERNELS: dict[str, type[Any]] = {
    "gradient_ascent": GradientAscent,
    "annealed_ascent": AnnealedAscent,
    "pixel_ascent": PixelAscent,
    "latent_ascent": LatentAscent,
    "langevin": Langevin,
    "sgld": SGLD,
    "mala": MALA,
    "hmc": HMC,
    "metropolis": Metropolis,
    "pcn": PCN,
    "independence": Independence,
    "pl_mcmc": PLMCMC,
    "parallel_tempering": ParallelTempering,
    "smc": SMC,
    "importance": Importance,
    "metropolis_within_gibbs": MetropolisWithinGibbs,
    "particle_gibbs": ParticleGibbs,
    "gibbs": Gibbs,
}
