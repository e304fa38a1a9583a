"""Inpainting: a kernel moves chains over a target, and every step is a frame."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from flowgen.errors import FlowgenError
from flowgen.inference.chains import ChainGenerators, Randomness
from flowgen.inference.kernels import KERNELS, Kernel, State, configure
from flowgen.inference.start import plausible_start
from flowgen.inference.target import Space, Target, pixel_target

if TYPE_CHECKING:
    from flowgen.models import ImageModel

__all__ = ["Frame", "check_image", "check_known", "complete", "inpaint", "methods_for"]

MAX_CHAINS = 256
MAX_STEPS = 100_000
NO_OPTIONS: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Frame:
    """The chains after a step; what costs something is worked out when it is asked for, so skipping frames is free.

    Args:
        step: 1 to num_steps.
        num_steps: how many there will be.
        position: the unknowns, (chains, dim).
        log_density: of the target, (chains,), in nats up to a constant.
        rejections: (chains,) how many proposals so far were not finite and refused.
        acceptance: (chains,) mean probability of acceptance so far, None for kernels that accept all.
        warming_up: True while the kernel still adapts; such frames are no draws.
    """

    step: int
    num_steps: int
    position: Tensor
    log_density: Tensor
    rejections: Tensor
    acceptance: Tensor | None
    warming_up: bool
    to_image: Callable[[Tensor], Tensor] = field(repr=False)

    @property
    def levels(self) -> Tensor:
        """The completed images, (chains, c, h, w) uint8; known pixels are the input's, byte for byte."""
        return self.to_image(self.position)

    @property
    def acceptance_rate(self) -> float | None:
        """Mean over the chains, in [0, 1]; None for kernels that accept all."""
        return None if self.acceptance is None else float(self.acceptance.mean())

    @property
    def rejected(self) -> int:
        """How many proposals, of all chains together, were not finite and refused."""
        return int(self.rejections.sum())


def inpaint(
    target: Target,
    kernel: Kernel,
    position: Tensor,
    num_steps: int,
    *,
    num_warmup: int = 0,
    generator: Randomness,
) -> Iterator[Frame]:
    """Run a kernel over a target from a position, a frame a step.

    Args:
        target: what to explore.
        kernel: how.
        position: (chains, dim), where each chain starts.
        num_steps: how many steps, warm-up included.
        num_warmup: how many of them are warm-up.
        generator: one for all chains, or `ChainGenerators` to make each chain independent of the others.

    Raises:
        FlowgenError: before the first frame, if the kernel does not serve the target's space, a number is out of range,
            or the log-density at a start is not finite.
    """
    _check_space(kernel, target.space)
    if not 1 <= num_steps <= MAX_STEPS:
        raise FlowgenError(f"{num_steps} steps were asked for; ask for 1 to {MAX_STEPS}.")
    if not 0 <= num_warmup <= num_steps:
        raise FlowgenError(f"{num_warmup} of {num_steps} steps cannot be warm-up.")
    return _frames(target, kernel, kernel.init(target, position), num_steps, num_warmup, generator)


def _frames(
    target: Target, kernel: Kernel, state: State, num_steps: int, num_warmup: int, generator: Randomness
) -> Iterator[Frame]:
    rejections = torch.zeros_like(state.log_density, dtype=torch.int64)
    accepted = torch.zeros_like(state.log_density)
    for step in range(1, num_steps + 1):
        state, info = kernel.step(target, state, generator)
        rejections = rejections + info.rejected
        accepted = accepted if info.acceptance is None else accepted + info.acceptance
        yield Frame(
            step=step,
            num_steps=num_steps,
            position=state.position,
            log_density=state.log_density,
            rejections=rejections,
            acceptance=None if info.acceptance is None else accepted / step,
            warming_up=step <= num_warmup,
            to_image=target.to_image,
        )
