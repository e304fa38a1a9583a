"""Gated PixelCNN: a stack for the rows above, a stack for the pixels to the left."""

from dataclasses import dataclass, field
from typing import Literal

from flowgen.errors import FlowgenError
from flowgen.hyperparameters import check
from flowgen.models.autoregressive import Autoregressive
from flowgen.models.factors import FACTORS
from flowgen.nets.gated_pixelcnn import GatedPixelCNNNet

__all__ = ["GatedPixelCNN"]


@dataclass(frozen=True)
class GatedPixelCNN:
    """Gated PixelCNN's hyperparameters.

    References:
        Conditional Image Generation with PixelCNN Decoders (van den Oord et al., 2016), arXiv:1606.05328
    """

    hidden: int = field(default=32, metadata={"help": "channels of each stack", "min": 1, "max": 1024})
    dilations: str = field(default="1 2 1 4 1 2 1", metadata={"help": "dilation of each layer, in order"})
    embedding: int = field(
        default=16, metadata={"help": "size of the vector that a level enters as", "min": 1, "max": 256}
    )
    factor: Literal["categorical", "bernoulli", "logistic_mixture"] = field(
        default="categorical", metadata={"help": "distribution of a pixel"}
    )
    num_classes: int = field(default=0, metadata={"help": "classes to condition on; 0 for none", "min": 0, "max": 1000})

    def __post_init__(self) -> None:
        check(self)
        if not all(dilation.isdecimal() and int(dilation) > 0 for dilation in self.dilations.split()):
            raise FlowgenError(
                f"dilations is {self.dilations!r}; it must be numbers of at least 1, with spaces between."
            )

    def build(self, event_shape: tuple[int, ...], levels: int = 256) -> Autoregressive:
        """The model, untrained, with weights from torch's global generator."""
        factor = FACTORS[self.factor](levels)
        channels = event_shape[0]
        net = GatedPixelCNNNet(
            channels,
            factor.num_parameters(channels),
            levels=levels,
            hidden=self.hidden,
            dilations=[int(dilation) for dilation in self.dilations.split()],
            groups=factor.groups(channels),
            embedding=self.embedding,
            num_classes=self.num_classes or None,
        )
        return Autoregressive(net, factor, event_shape, num_classes=self.num_classes or None)
