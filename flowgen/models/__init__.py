"""Models: what a checkpoint can hold. A recipe is a frozen dataclass of hyperparameters that builds one."""

from flowgen.models.dequantized import Dequantized, Dequantizer, UniformDequantizer
from flowgen.models.flow import Flow
from flowgen.models.glow import Glow
from flowgen.models.image_model import ImageModel, Recipe
from flowgen.models.nice import NICE
from flowgen.models.realnvp import RealNVP

__all__ = [
    "MODELS",
    "NICE",
    "Dequantized",
    "Dequantizer",
    "Flow",
    "Glow",
    "ImageModel",
    "RealNVP",
    "Recipe",
    "UniformDequantizer",
]

MODELS: dict[str, type[Recipe]] = {
    "nice": NICE,
    "realnvp": RealNVP,
    "glow": Glow,
}
