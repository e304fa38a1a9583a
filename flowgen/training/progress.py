"""What is seen of a run while it goes on: a bar, and the rows of its log."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from tqdm import tqdm

from flowgen.training.run import Run

__all__ = ["Progress"]


class Progress:
    """A bar for the eye, and rows for the log and for whoever tracks them.

    Args:
        run: its log takes the rows.
        step: where training stands; the log keeps its rows up to there.
        total: where training ends, None while that is not known.
        batch_size: images a step, over all processes.
        visible: whether to draw the bar.
        track: called with each row.
    """

    def __init__(
        self,
        run: Run,
        *,
        step: int,
        total: int | None,
        batch_size: int,
        visible: bool,
        track: Callable[[dict[str, float]], None] | None,
    ) -> None:
        self.run = run
        self.batch_size = batch_size
        self.track = track
        self._bar: tqdm[Any] = tqdm(total=total, initial=step, unit="step", disable=not visible)
        self._reported, self._since = step, time.monotonic()

    def __enter__(self) -> Self:
        self.run.start_log(self._reported)
        return self

    def __exit__(self, *reason: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._bar.close()

    def advance(self, total: int | None) -> None:
        """Move the bar by a step, and its end to where that is now known to be."""
        self._bar.total = total
        self._bar.update(1)

    def report(self, step: int, row: dict[str, float]) -> None:
        """Log a row, with the images per second since the last one."""
        now = time.monotonic()
        rate = (step - self._reported) * self.batch_size / max(now - self._since, 1e-9)
        self._reported, self._since = step, now
        row = {"step": step, **row, "images_per_second": rate}
        self.run.log(row)
        self._bar.set_postfix_str(
            f"{row['bits_per_dim']:.3f} bits/dim, {rate:.0f} images/s, {row['skipped']:.0f} skipped"
        )
        if self.track is not None:
            self.track(row)
