"""Ending work that nobody waits for: whoever starts it says when, and what takes long asks on its way.

    with interruptible(check):      # check() raises once the work is no longer wanted
        model.sample(64)            # asks at every layer and at every pixel that is drawn

Outside such a block nothing is asked. What the check raises comes out of the block.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from torch import Tensor, nn

from flowgen.errors import FlowgenError

__all__ = ["Check", "Interrupted", "asks", "checkpoint", "interruptible", "watched"]

Item = TypeVar("Item")
Check = Callable[[], None]

_checks: ContextVar[tuple[Check, ...]] = ContextVar("checks", default=())


class Interrupted(FlowgenError):
    """The work was ended before it was done; the sentence says why."""


@contextmanager
def interruptible(check: Check) -> Iterator[None]:
    """Have what is computed within, in this thread, ask `check` besides those around it."""
    token = _checks.set((*_checks.get(), check))
    try:
        yield
    finally:
        _checks.reset(token)


def watched(items: Iterator[Item], check: Check) -> Iterator[Item]:
    """The same items, each computed under `check`; between two of them its consumer is not."""
    while True:
        with interruptible(check):
            try:
                item = next(items)
            except StopIteration:
                return
        yield item


def checkpoint() -> None:
    """Ask whether the work is still wanted.

    Raises:
        Whatever the checks raise, if it is not.
    """
    for check in _checks.get():
        check()


def asks(model: nn.Module) -> None:
    """Have every layer of a model ask when it has computed, on the way forward and back: a pass may take seconds."""
    for layer in model.modules():
        layer.register_forward_hook(_ask)


def _ask(layer: nn.Module, arguments: object, output: object) -> None:
    checkpoint()
    if _checks.get() and isinstance(output, Tensor) and output.requires_grad:
        output.register_hook(_ask_backward)


def _ask_backward(gradient: Tensor) -> None:
    checkpoint()
