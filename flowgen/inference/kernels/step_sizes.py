"""The step sizes of adaptive kernels: one a chain, tuned by dual averaging in warm-up and frozen afterwards."""

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

__all__ = ["StepSizes"]

SHRINKAGE, DELAY, DECAY = 0.05, 10.0, 0.75  # gamma, t_0 and kappa, as the paper has them
SMALLEST, LARGEST = 1e-6, 10.0  # the range of the kernels' own step sizes


@dataclass(frozen=True)
class StepSizes:
    """Step sizes that move, in warm-up, to where a wanted share of proposals is accepted.

        H_t = (1 - 1 / (t + t_0)) H_(t-1) + (wanted - accepted_t) / (t + t_0)
        log eps_t = log eps_0 - sqrt(t) / gamma * H_t
        log mean_t = t^-kappa log eps_t + (1 - t^-kappa) log mean_(t-1)

    eps is used in warm-up, which it spends trying lengths about the right one, and its mean afterwards. Each chain has
    its own: tuned on all chains together, a chain would depend on the company it is in, and could not be drawn again
    by itself. A step size that depends on the past is no Markov chain's, so draws begin only where it is frozen.

    Args:
        log_size: log eps, (chains,).
        log_mean: (chains,).
        shortfall: H, how much less was accepted than wanted, (chains,).
        age: t, how many steps were learnt from, (chains,).
        log_start: log eps_0.
        largest: no step size is larger.
    References:
        The No-U-Turn Sampler (Hoffman & Gelman, 2014), arXiv:1111.4246, section 3.2; it pulls towards 10 eps_0, which
        suits an eps_0 that was found by a search, and here it is the user's
    """

    log_size: Tensor
    log_mean: Tensor
    shortfall: Tensor
    age: Tensor
    log_start: float
    largest: float = LARGEST

    @classmethod
    def start(cls, step_size: float, like: Tensor, largest: float = LARGEST) -> "StepSizes":
        """The same step size for all chains; like is (chains,), and lends its dtype and device."""
        zero, log_size = torch.zeros_like(like), math.log(step_size)
        return cls(zero + log_size, zero + log_size, zero, zero, log_size, largest)

    def sizes(self, *, warmup: bool) -> Tensor:
        """What each chain steps by, (chains, 1)."""
        return (self.log_size if warmup else self.log_mean).exp().clamp(SMALLEST, self.largest)[:, None]

    def of(self, chains: Tensor) -> "StepSizes":
        """Those of some chains, in this order."""
        names = ("log_size", "log_mean", "shortfall", "age")
        return replace(self, **{name: getattr(self, name)[chains] for name in names})

    def learn(self, acceptance: Tensor, wanted: float, *, warmup: bool, heeded: Tensor | None = None) -> "StepSizes":
        """What a step teaches in warm-up, and after it nothing.

        Args:
            acceptance: the probabilities of acceptance, (chains,).
            wanted: what they should be on average.
            warmup: False leaves all as it is.
            heeded: (chains,) True where the step had this length; None for all of them.
        """
        if not warmup:
            return self
        age = self.age + 1
        shortfall = self.shortfall + (wanted - acceptance - self.shortfall) / (age + DELAY)
        log_size = self.log_start - age.sqrt() / SHRINKAGE * shortfall
        log_size = log_size.clamp(math.log(SMALLEST), math.log(self.largest))
        log_mean = torch.lerp(self.log_mean, log_size, age**-DECAY)
        learnt: dict[str, Any] = {"log_size": log_size, "log_mean": log_mean, "shortfall": shortfall, "age": age}
        if heeded is not None:
            learnt = {name: torch.where(heeded, value, getattr(self, name)) for name, value in learnt.items()}
        return replace(self, **learnt)
