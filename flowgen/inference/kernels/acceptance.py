"""Metropolis and Hastings' rule: what makes a proposal a step of a chain that samples exactly."""

import torch
from torch import Tensor

from flowgen.inference.chains import Randomness, uniform_like

__all__ = ["decide"]


def decide(log_ratio: Tensor, finite: Tensor, generator: Randomness) -> tuple[Tensor, Tensor]:
    """Accept each proposal with probability min(1, r), and what is not finite never.

        r = p(u') q(u | u') / (p(u) q(u' | u))

    Args:
        log_ratio: log r, (chains,).
        finite: (chains,) True where all of the proposal is finite.
        generator: draws a uniform number a chain.

    Returns:
        (chains,) True where accepted, and (chains,) the probabilities.

    References:
        Monte Carlo sampling methods using Markov chains and their applications (Hastings, 1970)
    """
    acceptance = torch.where(finite, log_ratio.clamp_max(0).exp(), 0.0)
    return uniform_like(acceptance, generator) < acceptance, acceptance
