"""RealNVP: affine coupling with checkerboard and channel masks, at several scales."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from flowgen.bijections import (
    ActNorm,
    AffineCoupling,
    Bijection,
    Chain,
    Checkerboard,
    Flatten,
    Halves,
    Logit,
    Mask,
    MixtureCDF,
    Scaling,
    Split,
    Squeeze,
)
from flowgen.density import StandardNormal
from flowgen.hyperparameters import check
from flowgen.models.dequantized import Dequantized
from flowgen.models.flow import Flow
from flowgen.models.variational import Kind, make_dequantizer
from flowgen.nets import MLP, ResNet

__all__ = ["RealNVP"]


@dataclass(frozen=True)
class RealNVP:
    """RealNVP's hyperparameters.

    A scale applies couplings with checkerboard masks, squeezes, applies couplings with channel masks, and lets half of
    the channels leave. Where a side is odd, no checkerboard fits and the scale is left out. Two things differ from the
    paper: actnorm stands for batch normalisation, whose statistics tie the images of a batch together, and what leaves
    is whitened given the half that stays. On vectors the masks are halves and the conditioners perceptrons.

    References:
        Density estimation using Real NVP (Dinh et al., 2016), arXiv:1605.08803
    """

    scales: int = field(
        default=2, metadata={"help": "scales, each at half the resolution of the last", "min": 1, "max": 6}
    )
    couplings: int = field(default=4, metadata={"help": "couplings with one kind of mask", "min": 2, "max": 32})
    hidden: int = field(default=64, metadata={"help": "width of the conditioners", "min": 1, "max": 1024})
    blocks: int = field(default=1, metadata={"help": "residual blocks of a conditioner", "min": 0, "max": 16})
    coordinates: bool = field(default=True, metadata={"help": "conditioners see where a pixel is"})
    bound: float = field(default=2.0, metadata={"help": "largest log-scale of a coupling", "min": 0.1, "max": 10.0})
    logit: bool = field(default=True, metadata={"help": "model log-odds of pixels instead of pixels"})
    alpha: float = field(default=1e-6, metadata={"help": "padding of the logit", "min": 0.0, "max": 0.1})
    mixture: int = field(
        default=8, metadata={"help": "logistics of the curve that bends every pixel; 0 for none", "min": 0, "max": 64}
    )
    dequantization: Kind = field(
        default="uniform", metadata={"help": "how bytes become numbers, in training and scoring"}
    )

    def __post_init__(self) -> None:
        check(self)

    def build(self, event_shape: tuple[int, ...], levels: int = 256) -> Dequantized:
        """The model, untrained, with weights from torch's global generator."""
        start: list[Bijection] = [Logit(self.alpha)] if self.logit else []
        start += [MixtureCDF(self.mixture)] if self.mixture else []
        bijection = Chain([*start, self._scale(event_shape, self.scales)])
        flow = Flow(StandardNormal((math.prod(event_shape),)), bijection, event_shape)
        dequantizer = make_dequantizer(self.dequantization, levels, event_shape)
        return Dequantized(flow, dequantizer, levels, support="unit" if self.logit else "reals")

    def _scale(self, shape: tuple[int, ...], scales: int) -> Bijection:
        links: list[Bijection] = []
        if len(shape) == 3 and shape[1] % 2 == shape[2] % 2 == 0:
            links += self._couplings(shape, Checkerboard(), Checkerboard(swap=True))
            links.append(Squeeze())
            shape = (4 * shape[0], shape[1] // 2, shape[2] // 2)
        links += self._couplings(shape, Halves(), Halves(swap=True))
        if scales > 1 and len(shape) == 3 and shape[1] % 2 == shape[2] % 2 == 0:
            stays, leaves = Halves().shapes(shape)
            whiten = self._coupling(shape, Halves())
            return Chain([*links, Split(whiten, self._scale(stays, scales - 1), leaves)])
        return Chain([*links, ActNorm(shape[0]), Flatten(shape), Scaling((math.prod(shape),))])

    def _couplings(self, shape: tuple[int, ...], *masks: Mask) -> Iterator[Bijection]:
        for i in range(self.couplings):
            yield ActNorm(shape[0])
            yield self._coupling(shape, masks[i % 2])

    def _coupling(self, shape: tuple[int, ...], mask: Mask) -> AffineCoupling:
        kept, moved = mask.shapes(shape)
        return AffineCoupling(mask, self._conditioner(kept[0], 2 * moved[0], len(shape) == 3), bound=self.bound)

    def _conditioner(self, channels_in: int, channels_out: int, image: bool) -> MLP | ResNet:
        if not image:
            return MLP(channels_in, channels_out, hidden=self.hidden)
        return ResNet(channels_in, channels_out, hidden=self.hidden, depth=self.blocks, coordinates=self.coordinates)
