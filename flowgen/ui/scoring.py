"""What the models make of a picture: bits per dimension, where the bits go, and landmarks to compare with."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from flowgen import rng
from flowgen.checkpoint import Meta
from flowgen.data import to_bytes
from flowgen.data.pictures import Invert, to_levels
from flowgen.errors import FlowgenError
from flowgen.evaluation import Attribution, attribute, bits_per_dim
from flowgen.library import Library
from flowgen.ui import arguments

__all__ = ["LANDMARKS", "Landmark", "Score", "costlier", "landmark", "landmarks", "map_of", "scores"]

LANDMARKS = ("blank", "a draw", "noise")
SEED = 1


@dataclass(frozen=True)
class Score:
    """What a model makes of one image.

    Args:
        meta: of the model.
        levels: the image as the model sees it, (c, h, w) uint8.
        bits: bits per dimension, by the protocol of the model's own test; None where they are not finite.
        costlier: per cent of the test images that cost more bits; None where the model was not tested.
    """

    meta: Meta
    levels: Tensor
    bits: float | None
    costlier: float | None


@dataclass(frozen=True)
class Landmark:
    """A picture that everybody knows, and what it costs a model.

    Args:
        name: one of LANDMARKS.
        levels: (c, h, w) uint8.
        bits: per dimension.
    """

    name: str
    levels: Tensor
    bits: float


def scores(library: Library, picture: Image.Image, invert: Invert = "auto") -> list[Score]:
    """What every model makes of a picture, the surest first.

    Raises:
        FlowgenError: if there is no model at all.
    """
    found = []
    for name in arguments.models(library):
        meta = library.describe(name)
        turned = invert if meta.event_shape[0] == 1 else False  # what is white in colours, stays white
        levels = to_levels(picture, meta.event_shape, levels=meta.levels, invert=turned)
        bits = float(bits_per_dim(library.load(name), levels[None])[0])
        if math.isfinite(bits):
            found.append(Score(meta, levels, bits, costlier(meta.quantiles, bits)))
        else:
            found.append(Score(meta, levels, None, None))
    if not found:
        raise FlowgenError("There is no model here yet to score with.")
    return sorted(found, key=lambda score: math.inf if score.bits is None else score.bits)


def costlier(quantiles: Sequence[float], bits: float) -> float | None:
    """Per cent of the test images that cost more bits than this, from their quantiles at 0, 1, ..., 100 %."""
    if not quantiles:
        return None
    return 100 - float(np.interp(bits, quantiles, np.linspace(0, 100, len(quantiles))))


def map_of(library: Library, score: Score) -> Iterator[Attribution]:
    """Where the bits go, on the way."""
    return attribute(library.load(score.meta.name).frozen(), score.levels)


def landmark(library: Library, name: str, kind: str) -> Tensor:
    """One of LANDMARKS as a model sees it, (c, h, w) uint8: all black, a draw at temperature 1, or uniform noise."""
    meta = library.describe(name)
    if kind == "blank":
        return torch.zeros(meta.event_shape, dtype=torch.uint8)
    if kind == "noise":
        return to_bytes(rng.keyed_uniform(meta.event_shape, SEED, [0])[0], meta.levels)
    x = library.load(name).sample(1, seed=SEED)
    if not bool(x.isfinite().all()):
        raise FlowgenError(f"This draw of {name} is not finite; try another model.")
    return to_bytes(x, meta.levels)[0].cpu()


def landmarks(library: Library, name: str) -> list[Landmark]:
    """All of them, with what they cost this model; those to which it gives no finite figure are left out."""
    shown = torch.stack([landmark(library, name, kind) for kind in LANDMARKS])
    bits = bits_per_dim(library.load(name), shown).tolist()
    each = zip(LANDMARKS, shown, bits, strict=True)
    return [Landmark(kind, levels, cost) for kind, levels, cost in each if math.isfinite(cost)]
