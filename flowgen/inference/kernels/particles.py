"""What the methods of weighted draws share: draws from the reference, and resampling by weight."""

import math
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from flowgen.inference.chains import Randomness, for_rows, normal_like, uniform_like
from flowgen.inference.kernels.tempering import Points, reference_of
from flowgen.inference.target import Target

__all__ = ["Population", "draw", "effective_share", "log_mean_exp", "systematic"]


@runtime_checkable
class Population(Protocol):
    """A kernel whose every chain is a population of particles: it draws them itself, wherever the chain is put."""

    @property
    def num_particles(self) -> int:
        """How many particles a chain has."""
        ...


@torch.no_grad()
def draw(target: Target, position: Tensor, num: int, generator: Randomness) -> Points:
    """Draws from the target's reference, num a chain, those of a chain together: (chains * num, dim).

    The log-likelihood is -inf wherever it is not finite.
    """
    noise = normal_like(position.repeat_interleave(num, 0), for_rows(generator, num))
    u = reference_of(target).from_normal(noise)
    log_likelihood = target.log_likelihood(u)
    possible = log_likelihood.isfinite() & u.isfinite().all(1)
    return Points(u, torch.where(possible, log_likelihood, -torch.inf), None)


def systematic(log_weights: Tensor, generator: Randomness) -> Tensor:
    """Systematic resampling, whose j-th draw is where the cumulated weight passes (U + j / n) mod 1.

    Row by row one uniform U turns the whole comb, so that each draw by itself has the law of the weights.

    Args:
        log_weights: (chains, n), in every row at least one above -inf.

    Returns:
        (chains, n) indices into a row; an index of weight w comes floor(n w) or ceil(n w) times.

    References:
        Comparison of resampling schemes for particle filtering (Douc et al., 2005), arXiv:cs/0507025
    """
    num = log_weights.shape[1]
    cumulated = torch.softmax(log_weights.double(), 1).cumsum(1)
    teeth = torch.arange(num, device=log_weights.device, dtype=torch.float64) / num
    comb = (uniform_like(log_weights[:, 0], generator).double()[:, None] + teeth) % 1
    return torch.searchsorted(cumulated / cumulated[:, -1:], comb, right=True)


def effective_share(log_weights: Tensor) -> Tensor:
    """The effective sample size of weights (chains, n), as a share of n: (sum w)^2 / (n sum w^2), (chains,)."""
    weights = torch.softmax(log_weights, 1)
    return 1 / (weights.square().sum(1) * log_weights.shape[1])


def log_mean_exp(values: Tensor) -> Tensor:
    """The log of the mean of exp(values) over the last axis."""
    return values.logsumexp(-1) - math.log(values.shape[-1])
