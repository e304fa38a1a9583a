"""What every image model offers, flow or autoregressive: what inference, evaluation and the page rely on."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol, Self, runtime_checkable

import torch
from torch import Tensor

from flowgen.density import Density, Prior
from flowgen.errors import FlowgenError

__all__ = ["Drawing", "ImageModel", "Pass", "Recipe", "Sequential", "check_levels", "check_shape"]


@runtime_checkable
class ImageModel(Density, Protocol):
    """A density on pixel values in [0, 1] that also knows the mass of byte images and has a latent.

    Attributes:
        event_shape: (c, h, w), or (d,) for vectors.
        levels: how many values a pixel takes; level k occupies [k / levels, (k + 1) / levels).
        prior: the density of the flat latent, event shape (d,).
        num_classes: how many classes it can be conditioned on, or None.
        support: "unit" where the density lives on [0, 1], "reals" where it spills over.
        dequantization: how bytes become continuous, or "none" where the mass is exact.
    """

    @property
    def levels(self) -> int: ...
    @property
    def prior(self) -> Prior: ...
    @property
    def num_classes(self) -> int | None: ...
    @property
    def support(self) -> Literal["unit", "reals"]: ...
    @property
    def dequantization(self) -> str: ...

    def log_mass(self, levels: Tensor, *, num_samples: int = 1, generator: torch.Generator | None = None) -> Tensor:
        """Log-mass of byte images in nats, exact or a lower bound: (b, *event_shape) integers -> (b,)."""
        ...

    def bound(self, levels: Tensor, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        """What training maximises: log_mass by the noise given, uniform of the levels' shape: (b,).

        A model of classes is given the labels, (b,) integers.
        """
        ...

    def encode(self, x: Tensor) -> Tensor:
        """(b, *event_shape) -> (b, d)."""
        ...

    def decode(self, z: Tensor) -> Tensor:
        """(b, d) -> (b, *event_shape), the inverse of encode."""
        ...

    def initialize(self, x: Tensor) -> None:
        """Set what starts from data by a first batch of pixel values, (b, *event_shape)."""
        ...

    def given(self, label: int) -> Density:
        """The model of one class.

        Raises:
            FlowgenError: where the model has no classes, or not this one.
        """
        ...

    def frozen(self) -> Self:
        """A copy for many calls: no gradient to its parameters, and what depends on them alone worked out once."""
        ...


@dataclass
class Drawing:
    """Images that are being drawn in raster order, (n, c, h, w); it changes as their rows are finished.

    Attributes:
        x: pixel values in float64, 0 where nothing is drawn yet.
        log_prob: of the levels drawn so far given those before them, without what was known: (n,) in nats.
        rows: how many are finished, from the top.
    """

    x: Tensor
    log_prob: Tensor
    rows: int = 0


class Pass(Protocol):
    """Images under way in raster order, n at once: the law of the next position, and a place to put its level.

    Attributes:
        index: how many positions are put, a pixel's colours one after another.
        at: the next position: channel, row, column.
    """

    @property
    def index(self) -> int: ...
    @property
    def at(self) -> tuple[int, int, int]: ...

    def log_probs(self) -> Tensor:
        """Of all levels at the next position, given what was put before it: (n, levels), in nats and float64."""
        ...

    def put(self, levels: Tensor) -> None:
        """Set the next position's levels, (n,) integers, and go on to the one after it."""
        ...

    def reindex(self, ancestors: Tensor) -> Self:
        """Another pass, whose image i goes on from image ancestors[i] of this one; this one stays as it is."""
        ...


@runtime_checkable
class Sequential(ImageModel, Protocol):
    """An image model that draws pixel after pixel in raster order, so that what comes first can be given."""

    def log_conditionals(self, levels: Tensor) -> Tensor:
        """The log-probability of each position given those before it, in nats, which add up to log_mass.

        (b, *event_shape) integers -> (b, *event_shape).
        """
        ...

    def begin(self, n: int) -> Pass:
        """The pass at the first position of n images."""
        ...

    def draw(
        self, z: Tensor, *, temperature: float = 1.0, levels: Tensor | None = None, known: Tensor | None = None
    ) -> Iterator[Drawing]:
        """Decode latents row by row.

        Args:
            z: (b, d).
            temperature: of each conditional; 0 gives its mode.
            levels: with known, integers of (b, *event_shape), or of one image.
            known: bool of the same shape; where True the level is this one, and not drawn.
        """
        ...


class Recipe(Protocol):
    """A model's hyperparameters, a frozen dataclass, and how to build it."""

    def build(self, event_shape: tuple[int, ...], levels: int = 256) -> ImageModel:
        """The model, untrained, with weights from torch's global generator."""
        ...


def check_shape(x: Tensor, event_shape: tuple[int, ...], what: str = "images") -> None:
    """Make sure that a batch is of (b, *event_shape).

    Raises:
        FlowgenError: if it is not.
    """
    if tuple(x.shape[1:]) != tuple(event_shape):
        raise FlowgenError(f"The model takes {what} of shape {tuple(event_shape)}, and was given {tuple(x.shape[1:])}.")


def check_levels(k: Tensor, event_shape: tuple[int, ...], num_levels: int) -> None:
    """Make sure that a tensor holds images of this shape with integer levels in range.

    Raises:
        FlowgenError: if it does not.
    """
    if k.is_floating_point() or k.is_complex() or k.dtype == torch.bool:
        raise FlowgenError(
            f"log_mass takes integer levels from 0 to {num_levels - 1}, and was given {k.dtype}; see to_bytes."
        )
    check_shape(k, event_shape)
    if k.numel() and (int(k.min()) < 0 or int(k.max()) >= num_levels):
        raise FlowgenError(f"Levels run from 0 to {num_levels - 1}, and these from {int(k.min())} to {int(k.max())}.")
