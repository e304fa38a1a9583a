"""Stopping a run without losing it: the button leaves a word, and the run, which looks for it at every step, ends."""

import mmap

import gradio as gr

from flowgen.interruption import Interrupted
from flowgen.ui.visitors import visitor

__all__ = ["Stopped", "Stops"]

PLACES = 4096  # far more than there are runs that wait or can be asked about


class Stopped(Interrupted):
    """The visitor had enough; what there is by then is the result."""


class Stops:
    """Which visitors want their run ended. Safe to share between threads, and of bounded size.

    A word lies at a place that its visitor's name decides, since a run asks at every layer of its model; there it takes
    the place of another's, of which there are seldom any. The memory is shared with forked processes: on ZeroGPU a run
    is in one of them, and the button is not. A visitor is known by more than the session hash, which others may have
    seen in an address; see `visitor`.
    """

    def __init__(self) -> None:
        self._words = memoryview(mmap.mmap(-1, 8 * PLACES)).cast("Q")

    def __len__(self) -> int:
        return sum(word != 0 for word in self._words)

    def begin(self, request: gr.Request) -> None:
        """A run was asked for: what was said before does not concern it, and what is said while it waits does."""
        if self.asked(request):
            self._words[_word(request) % PLACES] = 0

    def ask(self, request: gr.Request) -> None:
        """End the visitor's run."""
        self._words[_word(request) % PLACES] = _word(request)

    def asked(self, request: gr.Request) -> bool:
        """Whether to end."""
        word = _word(request)
        return self._words[word % PLACES] == word

    def check(self, request: gr.Request) -> None:
        """Raise if the visitor wants the run ended.

        Raises:
            Stopped: if so.
        """
        if self.asked(request):
            raise Stopped("Stopped before anything had come.")


def _word(request: gr.Request) -> int:
    """A visitor's word, which is not 0; its key is a secret of this process and of those that it forks."""
    return hash(visitor(request)) % (2**64 - 1) + 1
