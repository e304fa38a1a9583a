"""Densities: what can be scored and sampled. Priors are here; flows and autoregressive models are densities too."""

import math
from abc import ABC, abstractmethod
from typing import Protocol, cast, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flowgen import rng
from flowgen.errors import FlowgenError

__all__ = ["Density", "Prior", "StandardLogistic", "StandardNormal", "Uniform", "check_temperature"]


@runtime_checkable
class Density(Protocol):
    """A distribution over tensors of one shape: `event_shape` is (c, h, w) for images, (d,) for vectors."""

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of one draw."""
        ...

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density in nats: (b, *event_shape) -> (b,)."""
        ...

    def sample(
        self,
        n: int,
        *,
        temperature: float = 1.0,
        seed: int | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draw (n, *event_shape). Draw i of a seed depends on the seed and i alone."""
        ...


def check_temperature(temperature: float) -> float:
    """Return a temperature that is a finite number of at least 0.

    Raises:
        FlowgenError: if it is not.
    """
    if not (math.isfinite(temperature) and temperature >= 0):
        raise FlowgenError(
            f"The temperature is {temperature}; it must be a finite number of at least 0, and 1 is the model's own."
        )
    return float(temperature)


class Prior(nn.Module, ABC):
    """A density whose coordinates are independent and alike, given by its quantile function.

    Its normal coordinates are `w = Phi^-1(F(z))`, standard normal when z follows the prior: the space in which
    interpolation and preconditioned Crank-Nicolson treat all priors the same.

    Args:
        event_shape: shape of one draw.
    """

    anchor: Tensor

    def __init__(self, event_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.event_shape = tuple(event_shape)
        self.register_buffer("anchor", torch.zeros(()), persistent=False)  # knows the device and dtype to draw for

    def log_prob(self, z: Tensor) -> Tensor:
        """Log-density in nats: (b, *event_shape) -> (b,)."""
        return self._log_density(z).flatten(1).sum(1)

    def sample(
        self,
        n: int,
        *,
        temperature: float = 1.0,
        seed: int | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draw (n, *event_shape), spread by the temperature.

        Args:
            n: how many.
            temperature: 1 is the prior itself, 0 its centre.
            seed: draw i comes from the generator keyed by (seed, i).
            generator: draws all of them, where no seed is given.

        Raises:
            FlowgenError: if n is below 1, or the temperature negative or not finite.
        """
        if n < 1:
            raise FlowgenError(f"{n} samples were asked for; ask for at least 1.")
        check_temperature(temperature)
        if seed is not None:
            normal = rng.keyed_normal(self.event_shape, seed, range(n))
        else:
            device = generator.device if generator is not None else self.anchor.device
            normal = torch.randn(n, *self.event_shape, generator=generator, device=device)
        return self.spread(self.from_normal(normal.to(self.anchor)), temperature)

    def spread(self, z: Tensor, temperature: float) -> Tensor:
        """Apply a temperature to draws: z -> T z, about the prior's centre."""
        return z * temperature

    @abstractmethod
    def to_normal(self, z: Tensor) -> Tensor:
        """Normal coordinates w = Phi^-1(F(z)), elementwise."""

    @abstractmethod
    def from_normal(self, w: Tensor) -> Tensor:
        """The point z = F^-1(Phi(w)) of normal coordinates, elementwise."""

    @abstractmethod
    def _log_density(self, z: Tensor) -> Tensor: ...


class StandardNormal(Prior):
    """The standard normal, log p(z) = -(z^2 + log 2 pi) / 2 a coordinate."""

    def to_normal(self, z: Tensor) -> Tensor:
        return z

    def from_normal(self, w: Tensor) -> Tensor:
        return w

    def _log_density(self, z: Tensor) -> Tensor:
        return -0.5 * (z.square() + math.log(2 * math.pi))


class StandardLogistic(Prior):
    """The standard logistic, log p(z) = log sigmoid(z) + log sigmoid(-z) a coordinate.

    References:
        NICE: Non-linear Independent Components Estimation (Dinh et al., 2014), arXiv:1410.8516
    """

    def to_normal(self, z: Tensor) -> Tensor:
        # By the smaller tail, in log space: Phi^-1(F(z)) = -sign(z) Phi^-1(sigmoid(-|z|)), finite for |z| up to 700.
        tail = torch.sigmoid(-z.double().abs())
        return cast(Tensor, (-z.sign() * torch.special.ndtri(tail)).to(z))

    def from_normal(self, w: Tensor) -> Tensor:
        wide = w.double()
        return cast(Tensor, (torch.special.log_ndtr(wide) - torch.special.log_ndtr(-wide)).to(w))

    def _log_density(self, z: Tensor) -> Tensor:
        return F.logsigmoid(z) + F.logsigmoid(-z)


class Uniform(Prior):
    """The uniform on (0, 1), log p(z) = 0 inside and -inf outside."""

    def to_normal(self, z: Tensor) -> Tensor:
        return cast(Tensor, torch.special.ndtri(z.double()).to(z))

    def from_normal(self, w: Tensor) -> Tensor:
        return cast(Tensor, torch.special.ndtr(w.double()).to(w))

    def spread(self, z: Tensor, temperature: float) -> Tensor:
        """Apply a temperature to draws: z -> 1/2 + T (z - 1/2), so for T up to 1 the draws stay inside."""
        return 0.5 + temperature * (z - 0.5)

    def _log_density(self, z: Tensor) -> Tensor:
        inside = (z >= 0) & (z <= 1)
        return torch.where(inside, 0.0, -torch.inf).to(z)
