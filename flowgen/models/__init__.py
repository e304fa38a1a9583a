"""Models: what a checkpoint can hold. A recipe is a frozen dataclass of hyperparameters that builds one."""

from flowgen.models.autoregressive import Autoregressive
from flowgen.models.dequantized import Dequantized, Dequantizer, UniformDequantizer
from flowgen.models.flow import Flow
from flowgen.models.gated_pixelcnn import GatedPixelCNN
from flowgen.models.glow import Glow
from flowgen.models.image_model import Drawing, ImageModel, Recipe, Sequential
from flowgen.models.nice import NICE
from flowgen.models.pixelcnn import PixelCNN
from flowgen.models.realnvp import RealNVP
from flowgen.models.variational import VariationalDequantizer

__all__ = [
    "AUTOREGRESSIVE",
    "FLOWS",
    "MODELS",
    "NICE",
    "Autoregressive",
    "Dequantized",
    "Dequantizer",
    "Drawing",
    "Flow",
    "GatedPixelCNN",
    "Glow",
    "ImageModel",
    "PixelCNN",
    "RealNVP",
    "Recipe",
    "Sequential",
    "UniformDequantizer",
    "VariationalDequantizer",
]

FLOWS: dict[str, type[Recipe]] = {
    "nice": NICE,
    "realnvp": RealNVP,
    "glow": Glow,
}
AUTOREGRESSIVE: dict[str, type[Recipe]] = {
    "pixelcnn": PixelCNN,
    "gated_pixelcnn": GatedPixelCNN,
}
MODELS: dict[str, type[Recipe]] = {**FLOWS, **AUTOREGRESSIVE}
