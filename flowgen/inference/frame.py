"""A frame: where a run of inpainting stands after a step."""

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor

__all__ = ["Frame"]


@dataclass(frozen=True)
class Frame:
    """The chains after a step; what costs something is worked out when it is asked for, so skipping frames is free.

    Args:
        step: 1 to num_steps.
        num_steps: how many there will be.
        position: the unknowns, (chains, dim).
        log_density: of the target, (chains,), in nats up to a constant.
        rejections: (chains,) how many proposals so far were not finite and refused.
        acceptance: (chains,) mean probability of acceptance so far, from the end of warm-up on; None for kernels that
            accept all.
        warming_up: True while the kernel still adapts; such frames are no draws.
        log_evidence: the estimate so far of log p(known), in nats; None for methods that make none.
    """

    step: int
    num_steps: int
    position: Tensor
    log_density: Tensor
    rejections: Tensor
    acceptance: Tensor | None
    warming_up: bool
    to_image: Callable[[Tensor], Tensor] = field(repr=False)
    log_evidence: float | None = None

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
