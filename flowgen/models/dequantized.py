"""A flow on byte images: the mass of a byte image is bounded through the density of dequantised ones."""

import copy
import math
from abc import ABC, abstractmethod
from typing import Literal, Self, cast

import torch
from torch import Tensor, nn

from flowgen import rng
from flowgen.data import dequantize
from flowgen.density import Density, Prior
from flowgen.errors import FlowgenError
from flowgen.models.flow import Flow
from flowgen.models.image_model import check_levels

__all__ = ["Dequantized", "Dequantizer", "UniformDequantizer"]


class Dequantizer(nn.Module, ABC):
    """Spreads a level over its cell, and knows the density with which it does.

    Attributes:
        kind: its name, as it stands beside a figure.
    """

    kind: str

    @abstractmethod
    def forward(self, k: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Levels and uniform noise, both (b, *event) -> x in the levels' cells, and log q(x | k) of (b,), in nats."""


class UniformDequantizer(Dequantizer):
    """Uniform over the cell.

        x = (k + u) / L,   log q(x | k) = D log L

    Args:
        levels: L.
    References:
        RNADE: The real-valued neural autoregressive density-estimator (Uria et al., 2013), arXiv:1306.0186
    """

    kind = "uniform"

    def __init__(self, levels: int) -> None:
        super().__init__()
        self.levels = levels

    def forward(self, k: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        x = dequantize(k, noise, self.levels)
        return x, x.new_full((len(x),), math.prod(x.shape[1:]) * math.log(self.levels))


class Dequantized(nn.Module):
    """A flow as a model of byte images.

        log_mass(k) = log 1/K sum_j p(x_j) / q(x_j | k),   x_j ~ q(. | k)

    which in expectation is at most the logarithm of the flow's mass in the cell, and approaches it as K grows.

    Args:
        flow: a density on pixel values in [0, 1].
        dequantizer: q.
        levels: L, how many values a pixel takes.
        support: "unit" where the flow lives on [0, 1], "reals" where it spills over.
    References:
        A note on the evaluation of generative models (Theis et al., 2016), arXiv:1511.01844
        Flow++ (Ho et al., 2019), arXiv:1902.00275, section 3.1
    """

    num_classes = None

    def __init__(
        self, flow: Flow, dequantizer: Dequantizer, levels: int = 256, *, support: Literal["unit", "reals"] = "reals"
    ) -> None:
        super().__init__()
        self.flow = flow
        self.dequantizer = dequantizer
        self.levels = levels
        self.support = support
        self.dequantization = dequantizer.kind

    @property
    def event_shape(self) -> tuple[int, ...]:
        """(c, h, w) for images, (d,) for vectors."""
        return self.flow.event_shape

    @property
    def prior(self) -> Prior:
        """The density of the flat latent."""
        return self.flow.prior

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density of pixel values in nats: (b, *event_shape) -> (b,)."""
        return self.flow.log_prob(x)

    def log_mass(self, levels: Tensor, *, num_samples: int = 1, generator: torch.Generator | None = None) -> Tensor:
        """A lower bound (in expectation) of the log-mass of byte images, in nats.

        Args:
            levels: integers, (b, *event_shape).
            num_samples: importance samples K; more tighten the bound.
            generator: draws the noise.

        Raises:
            FlowgenError: if the levels are not integers in range of the model's shape, or num_samples is below 1.
        """
        check_levels(levels, self.event_shape, self.levels)
        if num_samples < 1:
            raise FlowgenError(f"{num_samples} importance samples were asked for; ask for at least 1.")
        dtype = self.prior.anchor.dtype
        draws = [
            self.bound(levels, rng.uniform(levels.shape, generator, dtype=dtype).to(levels.device))
            for _ in range(num_samples)
        ]
        return torch.logsumexp(torch.stack(draws), 0) - math.log(num_samples)

    def bound(self, levels: Tensor, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        """The estimate of log_mass by one draw of noise, uniform and of the levels' shape: (b,), in nats.

        A flow here has no classes, and no use for labels.
        """
        x, log_q = self.dequantizer(levels, noise)
        return cast(Tensor, self.flow.log_prob(x) - log_q)

    def sample(
        self,
        n: int,
        *,
        temperature: float = 1.0,
        seed: int | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draw pixel values, (n, *event_shape), unclamped."""
        return self.flow.sample(n, temperature=temperature, seed=seed, generator=generator)

    def sample_and_log_prob(
        self, n: int, *, seed: int | None = None, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Draw pixel values, (n, *event_shape), with their log-densities, (n,)."""
        return self.flow.sample_and_log_prob(n, seed=seed, generator=generator)

    def encode(self, x: Tensor) -> Tensor:
        """(b, *event_shape) -> (b, d)."""
        return self.flow.encode(x)

    def decode(self, z: Tensor) -> Tensor:
        """(b, d) -> (b, *event_shape)."""
        return self.flow.decode(z)

    @torch.no_grad()
    def initialize(self, x: Tensor) -> None:
        """Set what starts from data by a first batch of pixel values."""
        self.flow.bijection.initialize(x)

    def given(self, label: int) -> Density:
        """Refuse: a flow here has no classes.

        Raises:
            FlowgenError: always.
        """
        raise FlowgenError(f"This model was trained without classes, so it cannot be given class {label}.")

    def frozen(self) -> Self:
        """A copy for many calls: no gradient to its parameters, and what depends on them alone worked out once."""
        twin = copy.deepcopy(self).requires_grad_(False)
        twin.flow.bijection = twin.flow.bijection.frozen()
        return twin
