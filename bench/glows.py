"""The Glow that is compared with other packages' in two sizes: FlowGen's, its layers one by one, and its operations."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from flowgen.bijections import ActNorm, AffineCoupling, Chain, InvertibleConv1x1, Scaling, Split
from flowgen.models.dequantized import Dequantized
from flowgen.models.glow import Glow

__all__ = ["BOUND", "CASES", "Case", "Contestant", "Scale", "flops", "flowgen", "scales"]

BOUND = 2.0


@dataclass(frozen=True)
class Case:
    """How large a Glow, and how many images at once."""

    depth: int
    scales: int
    hidden: int
    shape: tuple[int, int, int]
    batch: int


CASES = {
    "a": Case(depth=8, scales=3, hidden=128, shape=(3, 32, 32), batch=32),
    "b": Case(depth=8, scales=2, hidden=64, shape=(1, 28, 28), batch=64),
}


@dataclass(frozen=True)
class Contestant:
    """A package's Glow: what is trained, and what is called for log_prob (b,) and for n samples."""

    module: nn.Module
    log_prob: Callable[[Tensor], Tensor]
    sample: Callable[[int], Tensor]


@dataclass(frozen=True)
class Scale:
    """The layers of one scale of ours: its steps, and its split or its last layers."""

    channels: int
    size: tuple[int, int]
    steps: list[tuple[ActNorm, InvertibleConv1x1, AffineCoupling]]
    whiten: AffineCoupling | None
    last: tuple[ActNorm, Scaling] | None


def glow(case: Case) -> Dequantized:
    """Ours, with every weight away from its start; the 1x1 convolutions are such as all four can say."""
    torch.manual_seed(0)
    recipe = Glow(
        scales=case.scales,
        depth=case.depth,
        hidden=case.hidden,
        coordinates=False,
        bound=BOUND,
        logit=False,
        mixture=0,
    )
    model = recipe.build(case.shape)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
        for module in model.modules():
            if isinstance(module, InvertibleConv1x1):  # nflows has L U alone, of a positive diagonal
                module.permutation.copy_(torch.eye(len(module.sign)))
                module.sign.fill_(1.0)
                module.lower.mul_(0.1), module.upper.mul_(0.1), module.log_s.mul_(0.1)
    return model


def scales(case: Case) -> Iterator[Scale]:
    """The layers of ours, from the pixels on."""
    c, h, w = case.shape
    chain: Any = glow(case).flow.bijection
    while isinstance(chain, Chain):
        links: list[Any] = [*chain.links]
        if len(links) == 1:
            chain = links[0]
            continue
        c, h, w = 4 * c, h // 2, w // 2
        split = links[-1] if isinstance(links[-1], Split) else None
        steps = links[1:-1] if split else links[1:-3]
        yield Scale(
            c,
            (h, w),
            [*zip(steps[::3], steps[1::3], steps[2::3], strict=True)],
            split.whiten if split else None,
            None if split else (links[-3], links[-1]),
        )
        c, chain = c // 2, split.rest if split else None


def flops(case: Case) -> int:
    """Multiplications and additions that an image's log_prob needs: two for each weight and position."""
    total = 0
    for scale in scales(case):
        nets = [coupling.conditioner for *_, coupling in scale.steps] + (
            [scale.whiten.conditioner] if scale.whiten else []
        )
        convolutions = [layer for net in nets for layer in net.modules() if isinstance(layer, nn.Conv2d)]
        weights = sum(layer.weight.numel() for layer in convolutions) + len(scale.steps) * scale.channels**2
        total += 2 * weights * math.prod(scale.size)
    return total


def flowgen(case: Case, dtype: torch.dtype, training: bool) -> Contestant:
    """Ours, in channels_last as in FlowGen's training; for scoring and sampling frozen, as everywhere in FlowGen."""
    model = glow(case).to(dtype).to(memory_format=torch.channels_last)
    model = model if training else model.frozen()
    return Contestant(model, model.log_prob, model.sample)
