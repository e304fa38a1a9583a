"""Randomness for chains that run as one batch and yet know nothing of each other."""

from collections.abc import Iterable

import torch
from torch import Tensor

from flowgen import rng

__all__ = ["ChainGenerators", "Randomness", "for_rows", "normal_like", "uniform_like"]


class ChainGenerators:
    """One stream of randomness a chain, keyed by a seed and the chain's number alone.

    Chain 3 of a seed draws the same noise whether it runs with fifteen others or by itself. The draws are made on the
    CPU in float32 and moved, a few kilobytes a step, so that a seed means the same on every device.

    Args:
        seed: the seed.
        chains: the chains' numbers, in the order of the batch.
    """

    def __init__(self, seed: int, chains: Iterable[int]) -> None:
        self.generators = [rng.generator_for(seed, chain) for chain in chains]

    def repeated(self, num: int) -> "ChainGenerators":
        """The same streams for chains that are num rows each: the rows of a chain draw from its stream in turn."""
        same = ChainGenerators(0, [])
        same.generators = [one for one in self.generators for _ in range(num)]
        return same


Randomness = torch.Generator | ChainGenerators


def for_rows(randomness: Randomness, num: int) -> Randomness:
    """Randomness for a batch in which each chain has num rows, one after another."""
    return randomness.repeated(num) if isinstance(randomness, ChainGenerators) else randomness


def normal_like(u: Tensor, randomness: Randomness) -> Tensor:
    """Standard normal noise of u's shape (chains, dim), dtype and device."""
    if isinstance(randomness, ChainGenerators):
        return torch.stack([torch.randn(u.shape[1:], generator=one) for one in randomness.generators]).to(u)
    return torch.randn(u.shape, generator=randomness, dtype=u.dtype, device=randomness.device).to(u.device)


def uniform_like(values: Tensor, randomness: Randomness) -> Tensor:
    """Uniform draws in (0, 1) of values' shape (chains, *), dtype and device."""
    if isinstance(randomness, ChainGenerators):
        return torch.stack([rng.uniform(values.shape[1:], one) for one in randomness.generators]).to(values)
    return rng.uniform(values.shape, randomness, dtype=values.dtype).to(values.device)
