"""Attribution maps: where in an image the bits go that a model spends on it.

A model that draws in raster order pays pixel by pixel, so that its map is exact:

    bits(t) = -log2 p(k_t | k_<t),   sum_t bits(t) = -log2 mass(k)

A flow weighs an image as a whole and has no such sum. Its map says what each pixel costs once all others are known, as
far as two values tell: the pixel's own, k_t, and what its surroundings suggest, m_t, the median of its neighbours.

    bits(t) = -log2 p(k_t | all others, k_t is k_t or m_t) = log2(1 + p(k with m_t in place of k_t) / p(k))

and 0 where the two are one. It is at most -log2 p(k_t | all others), the bits of pseudo-likelihood, which would take a
pass for each level of each pixel. Both densities are of one draw of the dequantisation noise, the one by which
`bits_per_dim` scores the image.

References:
    Statistical Analysis of Non-Lattice Data (Besag, 1975), The Statistician 24(3)
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from flowgen import rng
from flowgen.errors import FlowgenError
from flowgen.models import ImageModel, Sequential
from flowgen.models.image_model import check_levels

__all__ = ["Attribution", "attribute", "neighbours_median"]

BATCH = 64


@dataclass(frozen=True)
class Attribution:
    """Where the bits of one image go.

    Attributes:
        bits: (c, h, w), float64 on the CPU, not negative; 0 where not worked out yet.
        exact: whether they add up to the image's, or each stands for itself, all others known.
        done: the share that is worked out.
    """

    bits: Tensor
    exact: bool
    done: float


@torch.no_grad()
def attribute(model: ImageModel, levels: Tensor, *, seed: int = 0) -> Iterator[Attribution]:
    """The bits of each pixel, on the way: at once where the model draws in order, pass after pass for a flow.

    Args:
        model: any image model, best frozen.
        levels: (c, h, w) integers.
        seed: keys the dequantisation noise.

    Raises:
        FlowgenError: if the levels are no image of the model's.
    """
    device = model.prior.anchor.device
    image = levels[None].to(device)
    check_levels(image, model.event_shape, model.levels)
    if isinstance(model, Sequential):
        yield Attribution(model.log_conditionals(image)[0].double().cpu() / -math.log(2), exact=True, done=1.0)
    else:
        yield from _given_the_others(model, image, seed)


def _given_the_others(model: ImageModel, image: Tensor, seed: int) -> Iterator[Attribution]:
    noise = rng.uniform(image.shape, rng.generator_for(seed, 0), dtype=model.prior.anchor.dtype).to(image.device)
    own, suggested = model.bound(image, noise).double(), neighbours_median(image[0]).flatten()
    if not bool(own.isfinite()):
        raise FlowgenError("To this model the image is impossible, so that no pixel's bits can be told.")
    bits = torch.zeros(image.numel(), dtype=torch.float64)
    differ = (suggested != image.flatten()).nonzero()[:, 0]
    for start in range(0, max(1, len(differ)), BATCH):
        places = differ[start : start + BATCH]
        if len(places):
            other = model.bound(_changed(image, places, suggested), noise.expand(len(places), *image.shape[1:]))
            bits[places.cpu()] = F.softplus(other.double() - own).cpu() / math.log(2)
        done = (start + len(places)) / max(1, len(differ))
        yield Attribution(bits.view(image.shape[1:]).clone(), exact=False, done=done if len(differ) else 1.0)


def _changed(image: Tensor, places: Tensor, suggested: Tensor) -> Tensor:
    """Copies of an image, (1, c, h, w), each with another one of its places as its surroundings suggest."""
    copies = image.flatten().repeat(len(places), 1)
    copies[torch.arange(len(places), device=image.device), places] = suggested[places]
    return copies.view(-1, *image.shape[1:])


def neighbours_median(levels: Tensor) -> Tensor:
    """The median of each pixel's eight neighbours in its colour, the lower of two: (c, h, w) integers of both.

    Beyond the border the image goes on as it is there.
    """
    around = F.pad(levels[None].double(), (1, 1, 1, 1), mode="replicate")[0]
    height, width = levels.shape[1:]
    shifts = [(j, i) for j in range(3) for i in range(3) if (j, i) != (1, 1)]
    neighbours = torch.stack([around[:, j : j + height, i : i + width] for j, i in shifts])
    return neighbours.median(0).values.to(levels.dtype)
