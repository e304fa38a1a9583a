"""Randomness that depends on what it is for, and on nothing else.

Draw i of a seed comes from a generator keyed by (seed, i): a sample can be drawn again by itself, a resumed run sees
the noise of an uninterrupted one, and two processes that share a batch draw what one would have drawn. Everything
keyed is drawn on the CPU in float32 and moved, so that a seed means the same image on every device.
"""

import hashlib
import struct
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

__all__ = ["generator_for", "keyed_normal", "keyed_uniform", "uniform"]


def generator_for(*keys: int) -> torch.Generator:
    """A CPU generator keyed by a tuple of integers, unrelated to that of any other tuple.

    The keys (a seed, then whatever tells this draw from the others) are hashed by BLAKE2b to the 64 bits that seed it.

    >>> draw = lambda *keys: torch.rand(1, generator=generator_for(*keys)).item()
    >>> draw(0, 7) == draw(0, 7), draw(0, 7) == draw(7, 0)
    (True, False)
    """
    packed = b"".join(struct.pack("<q", _signed64(key)) for key in keys)
    digest = hashlib.blake2b(packed, digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little", signed=True))


def keyed_normal(shape: Sequence[int], seed: int, indices: Iterable[int]) -> Tensor:
    """Standard normal draws of the given shape, one for each index: (len(indices), *shape), float32 on the CPU."""
    return torch.stack([torch.randn(tuple(shape), generator=generator_for(seed, index)) for index in indices])


def keyed_uniform(shape: Sequence[int], seed: int, indices: Iterable[int]) -> Tensor:
    """Uniform draws in (0, 1) of the given shape, one for each index: (len(indices), *shape), float32 on the CPU."""
    return torch.stack([uniform(shape, generator_for(seed, index)) for index in indices])


def uniform(shape: Sequence[int], generator: torch.Generator | None, *, dtype: torch.dtype = torch.float32) -> Tensor:
    """Uniform draws in the open interval (0, 1), on the generator's device; both ends are kept 2^-25 away."""
    device = generator.device if generator is not None else None
    draws = torch.rand(tuple(shape), generator=generator, dtype=dtype, device=device)
    return draws.clamp(2.0**-25, 1 - 2.0**-24)


def _signed64(key: int) -> int:
    """The integer modulo 2^64, as a signed number: any Python integer is a fine seed."""
    return (key + 2**63) % 2**64 - 2**63
