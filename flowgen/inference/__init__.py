"""Inference: targets, kernels that explore them, inpainting and interpolation. It never names a concrete model."""

from flowgen.inference.chains import ChainGenerators
from flowgen.inference.inpaint import Frame, complete, inpaint, methods_for
from flowgen.inference.interpolate import interpolate
from flowgen.inference.kernels import KERNELS
from flowgen.inference.target import Levels, Reals, Target, pixel_target

__all__ = [
    "KERNELS",
    "ChainGenerators",
    "Frame",
    "Levels",
    "Reals",
    "Target",
    "complete",
    "inpaint",
    "interpolate",
    "methods_for",
    "pixel_target",
]
