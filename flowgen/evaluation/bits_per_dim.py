"""Bits per dimension of byte images, from their mass and never from a density at a midpoint."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from flowgen import rng
from flowgen.errors import FlowgenError
from flowgen.models import ImageModel

__all__ = ["Evaluation", "bits_per_dim", "evaluate"]


@dataclass(frozen=True)
class Evaluation:
    """Bits per dimension over a set of images.

    Attributes:
        bits_per_dim: the mean over images.
        standard_error: of that mean.
        num_images: how many.
        dequantization: how bytes became continuous, or "none" where the mass is exact.
        importance_samples: draws of the dequantisation noise for an image.
        quantiles: of the single images' bits per dimension, at 0, 1, ..., 100 %.
    """

    bits_per_dim: float
    standard_error: float
    num_images: int
    dequantization: str
    importance_samples: int
    quantiles: tuple[float, ...]


@torch.no_grad()
def bits_per_dim(
    model: ImageModel,
    levels: Tensor,
    *,
    importance_samples: int = 1,
    seed: int = 0,
    batch_size: int = 250,
    progress: Callable[[int], object] | None = None,
) -> Tensor:
    """Bits per dimension of each image: -log_mass / (D log 2).

    Args:
        model: what scores.
        levels: integers, (n, *event_shape), on any device.
        importance_samples: draws of the noise for an image.
        seed: keys the noise, with the number of the batch.
        batch_size: images a pass.
        progress: called with the number of images of each batch when it is done.

    Returns:
        (n,) on the CPU, in float64.
    """
    scale = math.prod(model.event_shape) * math.log(2)
    device = model.prior.anchor.device
    scores = []
    for number, batch in enumerate(levels.split(batch_size)):
        generator = rng.generator_for(seed, number)
        mass = model.log_mass(batch.to(device), num_samples=importance_samples, generator=generator)
        scores.append(-mass.double().cpu() / scale)
        if progress is not None:
            progress(len(batch))
    return torch.cat(scores)


def evaluate(
    model: ImageModel,
    levels: Tensor,
    *,
    importance_samples: int = 1,
    seed: int = 0,
    progress: Callable[[int], object] | None = None,
) -> Evaluation:
    """Bits per dimension over a set of images, (n, *event_shape) integers.

    Raises:
        FlowgenError: if there are no images, they do not fit the model, or one has no finite mass.
    """
    if not len(levels):
        raise FlowgenError("There are no images to evaluate on.")
    scores = bits_per_dim(model, levels, importance_samples=importance_samples, seed=seed, progress=progress)
    if not bool(scores.isfinite().all()):
        first = int((~scores.isfinite()).nonzero()[0])
        raise FlowgenError(
            f"The model gives image {first} no finite mass, so the mean over the set would mean nothing."
        )
    return Evaluation(
        bits_per_dim=float(scores.mean()),
        standard_error=float(scores.std() / math.sqrt(len(scores))) if len(scores) > 1 else math.inf,
        num_images=len(scores),
        dequantization=model.dequantization,
        importance_samples=importance_samples,
        quantiles=tuple(torch.quantile(scores, torch.linspace(0, 1, 101, dtype=scores.dtype)).tolist()),
    )
