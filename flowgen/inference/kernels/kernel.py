"""What a kernel is: `init` and `step` over a batch of chains, with its hyperparameters as its fields."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Protocol

from torch import Tensor

from flowgen.errors import FlowgenError
from flowgen.inference.chains import Randomness
from flowgen.inference.target import Target

__all__ = ["Info", "Kernel", "State", "check_hyperparameters", "configure"]


class State(Protocol):
    """What a chain carries from step to step: where it is, and whatever would otherwise be computed twice."""

    @property
    def position(self) -> Tensor:
        """The unknowns: (chains, dim)."""
        ...

    @property
    def log_density(self) -> Tensor:
        """The target's log-density there: (chains,), in nats and finite."""
        ...


@dataclass(frozen=True)
class Info:
    """What a step has to say for itself.

    Args:
        rejected: (chains,) bool, True where the proposal was not finite and the chain stayed.
        acceptance: (chains,) the probability of acceptance; None for a kernel without an accept-reject step.
    """

    rejected: Tensor
    acceptance: Tensor | None = None


class Kernel(Protocol):
    """A frozen dataclass of hyperparameters that moves a batch of chains.

    A chain's next state depends on its own state and noise alone, and is finite whenever its state is.
    """

    serves: ClassVar[tuple[type, ...]]  # the spaces whose targets it can move in
    jacobian: ClassVar[bool]  # True for samplers; False for what seeks the mode, of the density in pixel coordinates

    def init(self, target: Target, position: Tensor) -> Any:
        """The state at a position (chains, dim)."""
        ...

    def step(self, target: Target, state: Any, generator: Randomness) -> tuple[Any, Info]:
        """One step of every chain."""
        ...


def check_hyperparameters(kernel: Any) -> None:
    """Hold each field of a kernel to the range in its metadata.

    Raises:
        FlowgenError: naming the field, its range and what was given.
    """
    for spec in fields(kernel):
        value, low, high = getattr(kernel, spec.name), spec.metadata["min"], spec.metadata["max"]
        whole = spec.type is int
        fits = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
        if not (fits and math.isfinite(value) and low <= value <= high):
            kind = "a whole number" if whole else "a number"
            raise FlowgenError(f"{spec.name} is {value!r}; it must be {kind} from {low:g} to {high:g}.")


def configure(kernel: type[Any], options: Mapping[str, Any]) -> Any:
    """Build a kernel from named hyperparameters, the rest at their defaults.

    Raises:
        FlowgenError: if a name is not one of the kernel's, or a value is out of range.
    """
    names = [spec.name for spec in fields(kernel)]
    unknown = [name for name in options if name not in names]
    if unknown:
        raise FlowgenError(f"There is no option {unknown[0]!r} here; there are: {', '.join(names)}.")
    return kernel(**options)
