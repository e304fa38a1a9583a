"""Glow: actnorm, invertible 1x1 convolution and coupling, at several scales."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from flowgen.bijections import (
    ActNorm,
    AdditiveCoupling,
    AffineCoupling,
    Bijection,
    Chain,
    Flatten,
    Halves,
    InvertibleConv1x1,
    Logit,
    MixtureCDF,
    MixtureCoupling,
    Scaling,
    Split,
    Squeeze,
    Steps,
    haar,
    swap_halves,
)
from flowgen.density import StandardNormal
from flowgen.hyperparameters import check
from flowgen.models.dequantized import Dequantized
from flowgen.models.flow import Flow
from flowgen.models.variational import Kind, make_dequantizer
from flowgen.nets import MLP, ConvNet

__all__ = ["Glow"]


@dataclass(frozen=True)
class Glow:
    """Glow's hyperparameters.

    A scale squeezes, applies its steps, and lets half of the channels leave through a learned split; the last scale
    keeps them all. A step is actnorm, an invertible 1x1 convolution and a coupling. On vectors there is one scale and
    no squeeze, and the conditioners are multilayer perceptrons.

    The 1x1 convolutions start as random rotations, or (`wavelet`) such that each scale is one of Haar's: its first
    takes blocks of pixels to their means and differences, the others swap the halves of the channels an even number of
    times, and it is the means that stay.

    References:
        Glow: Generative Flow with Invertible 1x1 Convolutions (Kingma & Dhariwal, 2018), arXiv:1807.03039
    """

    scales: int = field(
        default=2, metadata={"help": "scales, each at half the resolution of the last", "min": 1, "max": 6}
    )
    depth: int = field(default=10, metadata={"help": "flow steps of the first scale", "min": 1, "max": 64})
    deepen: int = field(
        default=0, metadata={"help": "steps that a scale has more than the one before it", "min": 0, "max": 64}
    )
    hidden: int = field(default=96, metadata={"help": "width of the conditioners", "min": 1, "max": 1024})
    coupling: Literal["affine", "additive", "mixture"] = field(
        default="affine", metadata={"help": "what a coupling does; mixture: affine after a mixture of logistics' CDF"}
    )
    components: int = field(default=4, metadata={"help": "logistics of a mixture coupling", "min": 2, "max": 64})
    coordinates: bool = field(default=True, metadata={"help": "conditioners see where a pixel is"})
    bound: float = field(default=2.0, metadata={"help": "largest log-scale of a coupling", "min": 0.1, "max": 10.0})
    logit: bool = field(default=True, metadata={"help": "model log-odds of pixels instead of pixels"})
    alpha: float = field(default=1e-6, metadata={"help": "padding of the logit", "min": 0.0, "max": 0.1})
    mixture: int = field(
        default=8, metadata={"help": "logistics of the curve that bends every pixel; 0 for none", "min": 0, "max": 64}
    )
    wavelet: bool = field(default=False, metadata={"help": "start as a wavelet pyramid, not as random rotations"})
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
        if len(shape) == 3:
            links.append(Squeeze())
            shape = (4 * shape[0], shape[1] // 2, shape[2] // 2)
        for i in range(depth := self.depth + (self.scales - scales) * self.deepen):
            links += self._step(shape, self._start(shape, i, depth))
        if scales > 1 and len(shape) == 3:
            stays, leaves = Halves().shapes(shape)
            whiten = AffineCoupling(Halves(), self._conditioner(stays, leaves, 2), bound=self.bound)
            return Steps([*links, Split(whiten, self._scale(stays, scales - 1), leaves)])
        return Steps([*links, ActNorm(shape[0]), Flatten(shape), Scaling((math.prod(shape),))])

    def _start(self, shape: tuple[int, ...], i: int, depth: int) -> Tensor | None:
        """What the 1x1 convolution of step i starts from; None is a random rotation."""
        if not self.wavelet:
            return None
        if i == 0 and len(shape) == 3:
            return haar(shape[0] // 4)
        swaps = i > 1 or depth % 2 == 1  # an even number of steps, so that the means come back to where they stay
        return swap_halves(shape[0]) if swaps else torch.eye(shape[0])

    def _step(self, shape: tuple[int, ...], start: Tensor | None) -> Iterator[Bijection]:
        yield ActNorm(shape[0])
        yield InvertibleConv1x1(shape[0], start=start)
        stays, moves = Halves().shapes(shape)
        match self.coupling:
            case "affine":
                yield AffineCoupling(Halves(), self._conditioner(stays, moves, 2), bound=self.bound)
            case "additive":
                yield AdditiveCoupling(Halves(), self._conditioner(stays, moves, 1))
            case "mixture":
                net = self._conditioner(stays, moves, 2 + 3 * self.components)
                yield MixtureCoupling(Halves(), net, components=self.components, bound=self.bound)

    def _conditioner(self, kept: tuple[int, ...], moved: tuple[int, ...], parameters: int) -> MLP | ConvNet:
        if len(kept) == 1:
            return MLP(kept[0], parameters * moved[0], hidden=self.hidden)
        return ConvNet(kept[0], parameters * moved[0], hidden=self.hidden, coordinates=self.coordinates)
