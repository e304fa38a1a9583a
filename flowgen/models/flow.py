"""A flow: a prior seen through a bijection."""

from typing import cast

import torch
from torch import Tensor, nn

from flowgen.bijections import Bijection
from flowgen.density import Prior
from flowgen.models.image_model import check_shape

__all__ = ["Flow"]


class Flow(nn.Module):
    """A density by change of variables.

        log p(x) = log prior(f(x)) + log|det df/dx|

    Args:
        prior: density of the flat latent, event shape (d,).
        bijection: f, from data (b, *event_shape) to latent (b, d).
        event_shape: (c, h, w) for images, (d,) for vectors.
    References:
        Variational Inference with Normalizing Flows (Rezende & Mohamed, 2015), arXiv:1505.05770
    """

    def __init__(self, prior: Prior, bijection: Bijection, event_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.prior = prior
        self.bijection = bijection
        self.event_shape = tuple(event_shape)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density in nats: (b, *event_shape) -> (b,).

        Raises:
            FlowgenError: if x is of another shape.
        """
        check_shape(x, self.event_shape)
        z, log_det = self.bijection(x)
        return cast(Tensor, self.prior.log_prob(z) + log_det)

    def sample(
        self,
        n: int,
        *,
        temperature: float = 1.0,
        seed: int | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draw (n, *event_shape): the prior's draw, spread by the temperature, decoded."""
        return self.decode(self.prior.sample(n, temperature=temperature, seed=seed, generator=generator))

    def sample_and_log_prob(
        self, n: int, *, seed: int | None = None, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Draw (n, *event_shape) with log-densities (n,), in one pass through the inverse."""
        z = self.prior.sample(n, seed=seed, generator=generator)
        x, log_det = self.bijection.inverse(z)
        return x.contiguous(), self.prior.log_prob(z) - log_det

    def encode(self, x: Tensor) -> Tensor:
        """(b, *event_shape) -> (b, d).

        Raises:
            FlowgenError: if x is of another shape.
        """
        check_shape(x, self.event_shape)
        return cast(Tensor, self.bijection(x)[0])

    def decode(self, z: Tensor) -> Tensor:
        """(b, d) -> (b, *event_shape).

        Raises:
            FlowgenError: if z is of another shape.
        """
        check_shape(z, self.prior.event_shape, "latents")
        return self.bijection.inverse(z)[0].contiguous()
