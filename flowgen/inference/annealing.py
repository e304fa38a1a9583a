"""Annealing: what a chain passes through in warm-up, target after target, before the one that it draws from."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from flowgen.inference.kernels.kernel import Kernel
from flowgen.inference.target import Target

__all__ = ["carried", "due", "narrowing"]

STAGES = 5  # before the last; each costs a pass, to weigh anew where the chains stand


def narrowing(make: Callable[[float], Target], widest: float) -> list[Target]:
    """Targets whose sigma narrows to its own width: make(s) for s = widest^(1 - k / K), k = 0, ..., K - 1.

    Args:
        make: the target whose sigma is so many times as wide.
        widest: how many times to begin with; 1 for no annealing, which is no targets.
    """
    if widest == 1:
        return []
    return [make(widest ** (1 - k / STAGES)) for k in range(STAGES)]


def due(step: int, num_warmup: int, through: Sequence[Target], target: Target) -> Target:
    """The target of a step, counted from 1: warm-up is shared evenly, and all after it is the last's.

    A target that changed while draws are made would be no chain's; so it is frozen with the step sizes.
    """
    if step > num_warmup:
        return target
    return (*through, target)[(step - 1) * (len(through) + 1) // num_warmup]


def carried(kernel: Kernel, target: Target, state: Any) -> Any:
    """The kernel's state on another target, where it stands, with the step sizes that it has learnt; by one pass."""
    fresh = kernel.init(target, state.position)
    return replace(fresh, step_sizes=state.step_sizes) if hasattr(state, "step_sizes") else fresh
