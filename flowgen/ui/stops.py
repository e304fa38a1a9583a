"""Stopping a run without losing it: the button leaves a word, and the run, which looks for it at every step, ends."""

__all__ = ["Stops"]


class Stops:
    """Which visitors want their run ended. Safe to share between threads."""

    def __init__(self) -> None:
        self._asked: set[str] = set()

    def begin(self, visitor: str | None) -> None:
        """A run was asked for: what was said before does not concern it, and what is said while it waits does."""
        self._asked.discard(visitor or "")

    def ask(self, visitor: str | None) -> None:
        """End the visitor's run."""
        self._asked.add(visitor or "")

    def asked(self, visitor: str | None) -> bool:
        """Whether to end."""
        return (visitor or "") in self._asked
