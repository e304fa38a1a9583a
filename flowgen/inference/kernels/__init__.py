"""Kernels: how a batch of chains moves. A new one is a file here and a line in KERNELS."""

from typing import Any

from flowgen.hyperparameters import configure
from flowgen.inference.kernels.annealed_ascent import AnnealedAscent
from flowgen.inference.kernels.gradient_ascent import GradientAscent
from flowgen.inference.kernels.hmc import HMC
from flowgen.inference.kernels.kernel import Info, Kernel, State
from flowgen.inference.kernels.langevin import Langevin
from flowgen.inference.kernels.mala import MALA
from flowgen.inference.kernels.metropolis import Metropolis

__all__ = [
    "HMC",
    "KERNELS",
    "MALA",
    "AnnealedAscent",
    "GradientAscent",
    "Info",
    "Kernel",
    "Langevin",
    "Metropolis",
    "State",
    "configure",
]

KERNELS: dict[str, type[Any]] = {
    "gradient_ascent": GradientAscent,
    "annealed_ascent": AnnealedAscent,
    "langevin": Langevin,
    "mala": MALA,
    "hmc": HMC,
    "metropolis": Metropolis,
}
