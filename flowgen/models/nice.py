"""NICE: additive couplings, one scale for each coordinate, and a logistic prior."""

import math
from dataclasses import dataclass, field

from flowgen.bijections import (
    AdditiveCoupling,
    Alternate,
    Bijection,
    Chain,
    Checkerboard,
    Flatten,
    Logit,
    Mask,
    Scaling,
)
from flowgen.density import StandardLogistic
from flowgen.hyperparameters import check
from flowgen.models.dequantized import Dequantized
from flowgen.models.flow import Flow
from flowgen.models.variational import Kind, make_dequantizer
from flowgen.nets import MLP, ResNet

__all__ = ["NICE"]


@dataclass(frozen=True)
class NICE:
    """NICE's hyperparameters.

    On images the masks are checkerboards, which are the paper's odd and even pixels, and the conditioners are
    convolutional: the paper's five perceptrons of 1000 units would weigh 76 MB. On vectors both are as in the paper.

    References:
        NICE: Non-linear Independent Components Estimation (Dinh et al., 2014), arXiv:1410.8516
    """

    couplings: int = field(default=6, metadata={"help": "additive couplings", "min": 2, "max": 64})
    hidden: int = field(default=64, metadata={"help": "width of the conditioners", "min": 1, "max": 1024})
    blocks: int = field(
        default=2, metadata={"help": "residual blocks (hidden layers) of a conditioner", "min": 1, "max": 16}
    )
    coordinates: bool = field(default=True, metadata={"help": "conditioners see where a pixel is"})
    logit: bool = field(default=True, metadata={"help": "model log-odds of pixels instead of pixels"})
    alpha: float = field(default=1e-6, metadata={"help": "padding of the logit", "min": 0.0, "max": 0.1})
    dequantization: Kind = field(
        default="uniform", metadata={"help": "how bytes become numbers, in training and scoring"}
    )

    def __post_init__(self) -> None:
        check(self)

    def build(self, event_shape: tuple[int, ...], levels: int = 256) -> Dequantized:
        """The model, untrained, with weights from torch's global generator."""
        links: list[Bijection] = [Logit(self.alpha)] if self.logit else []
        links += [self._coupling(event_shape, swap=bool(i % 2)) for i in range(self.couplings)]
        size = math.prod(event_shape)
        bijection = Chain([*links, Flatten(event_shape), Scaling((size,))])
        flow = Flow(StandardLogistic((size,)), bijection, event_shape)
        dequantizer = make_dequantizer(self.dequantization, levels, event_shape)
        return Dequantized(flow, dequantizer, levels, support="unit" if self.logit else "reals")

    def _coupling(self, shape: tuple[int, ...], *, swap: bool) -> AdditiveCoupling:
        mask: Mask = Checkerboard(swap) if len(shape) == 3 else Alternate(swap)
        kept, moved = mask.shapes(shape)
        if len(shape) == 1:
            return AdditiveCoupling(mask, MLP(kept[0], moved[0], hidden=self.hidden, depth=self.blocks))
        conditioner = ResNet(kept[0], moved[0], hidden=self.hidden, depth=self.blocks, coordinates=self.coordinates)
        return AdditiveCoupling(mask, conditioner)
