"""Stopping a run without losing it: the button leaves a word, and the run, which looks for it at every step, ends."""

from collections import OrderedDict
from threading import Lock

import gradio as gr

from flowgen.interruption import Interrupted
from flowgen.ui.visitors import visitor

__all__ = ["Stopped", "Stops"]

MOST = 4096  # words kept: more than can run, wait and be asked about at a time


class Stopped(Interrupted):
    """The visitor had enough; what there is by then is the result."""


class Stops:
    """Which visitors want their run ended. Safe to share between threads, and of bounded size: old words are forgotten.

    A visitor is known by more than the session hash, which others may have seen in an address; see `visitor`.
    """

    def __init__(self) -> None:
        self._asked: OrderedDict[str, None] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._asked)

    def begin(self, request: gr.Request) -> None:
        """A run was asked for: what was said before does not concern it, and what is said while it waits does."""
        with self._lock:
            self._asked.pop(visitor(request), None)

    def ask(self, request: gr.Request) -> None:
        """End the visitor's run."""
        with self._lock:
            self._asked[visitor(request)] = None
            while len(self._asked) > MOST:
                self._asked.popitem(last=False)

    def asked(self, request: gr.Request) -> bool:
        """Whether to end."""
        return visitor(request) in self._asked

    def check(self, request: gr.Request) -> None:
        """Raise if the visitor wants the run ended.

        Raises:
            Stopped: if so.
        """
        if self.asked(request):
            raise Stopped("Stopped before anything had come.")
