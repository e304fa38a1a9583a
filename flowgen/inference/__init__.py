"""Inference: targets, kernels that explore them, inpainting and interpolation. It never names a concrete model."""

from flowgen.inference.attributes import edit, learn_directions
from flowgen.inference.chains import ChainGenerators
from flowgen.inference.diagnostics import Diagnostics
from flowgen.inference.frame import Frame
from flowgen.inference.in_order import InOrder
from flowgen.inference.inpaint import METHODS, complete, inpaint, methods_by, methods_for, methods_of
from flowgen.inference.interpolate import interpolate
from flowgen.inference.kernels import KERNELS
from flowgen.inference.levels_target import LevelsTarget, levels_target
from flowgen.inference.raster_smc import RasterSMC
from flowgen.inference.recorder import Recorder
from flowgen.inference.results import Result, Trace
from flowgen.inference.sample import draw, usual_temperature
from flowgen.inference.target import Levels, Reals, Target, augmented_target, pixel_target

__all__ = [
    "KERNELS",
    "METHODS",
    "ChainGenerators",
    "Diagnostics",
    "Frame",
    "InOrder",
    "Levels",
    "LevelsTarget",
    "RasterSMC",
    "Reals",
    "Recorder",
    "Result",
    "Target",
    "Trace",
    "augmented_target",
    "complete",
    "draw",
    "edit",
    "inpaint",
    "interpolate",
    "learn_directions",
    "levels_target",
    "methods_by",
    "methods_for",
    "methods_of",
    "pixel_target",
    "usual_temperature",
]
