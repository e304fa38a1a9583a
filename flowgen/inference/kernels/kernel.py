"""What a kernel is: `init` and `step` over a batch of chains, with its hyperparameters as its fields."""

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from torch import Tensor

from flowgen.errors import FlowgenError
from flowgen.inference.chains import Randomness
from flowgen.inference.target import Target

__all__ = ["Info", "Kernel", "State", "check_possible"]


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
        log_evidence: of particle methods, the estimate so far of the log of the target's normalising constant, a
            scalar in nats; None for kernels that estimate none.
    """

    rejected: Tensor
    acceptance: Tensor | None = None
    log_evidence: Tensor | None = None


class Kernel(Protocol):
    """A frozen dataclass of hyperparameters that moves a batch of chains.

    A chain's next state depends on its own state and noise alone, and is finite whenever its state is.
    """

    serves: ClassVar[tuple[type, ...]]  # the spaces whose targets it can move in
    jacobian: ClassVar[bool]  # True for samplers; False for what seeks the mode, of the density in pixel coordinates
    latent: ClassVar[bool]  # True for what proposes from the reference: of a flow, it moves in the latent space

    def init(self, target: Target, position: Tensor) -> Any:
        """The state at a position (chains, dim)."""
        ...

    def step(self, target: Target, state: Any, generator: Randomness, *, warmup: bool = False) -> tuple[Any, Info]:
        """One step of every chain; in warm-up a kernel that adapts may do so, and its states are no draws."""
        ...


def check_possible(log_density: Tensor, finite: Tensor) -> None:
    """Make sure that chains can start.

    Args:
        log_density: at each chain's start, (chains,).
        finite: (chains,) True where that and all else that the kernel needs is finite.

    Raises:
        FlowgenError: if anything is not.
    """
    if not bool(finite.all()):
        raise FlowgenError(
            "The model finds this picture impossible: its density at the start is zero or not a number, or has no "
            "gradient. Hide less or more of it, or choose another model or seed."
        )
