"""The request that is worked on: whether anyone still waits for it, how long it may take, and its line in the log."""

import functools
import inspect
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from gradio.context import LocalContext
from gradio.queueing import Event, Queue

from flowgen.errors import FlowgenError
from flowgen.interruption import Interrupted, interruptible, watched
from flowgen.ui.limits import LIMITS

__all__ = ["Job", "Left", "attended"]

log = logging.getLogger(__name__)

GRACE = 10.0  # seconds to make a result of what there is


class Left(FlowgenError):
    """Whoever asked has gone, or has cancelled the request: nobody will read an answer."""


class Job:
    """A request that has come to the head of the queue.

    Args:
        name: the function's.
        queue: where it waited; None where it is called otherwise, as by a test.
        event: what Gradio knows of it.
    """

    def __init__(self, name: str, queue: Queue | None = None, event: Event | None = None) -> None:
        self.name, self.queue, self.event = name, queue, event
        self.started = time.monotonic()
        self.deadline = self.started + LIMITS.seconds

    @classmethod
    def current(cls, name: str) -> "Job":
        """The one that Gradio calls this thread for."""
        blocks, event_id = LocalContext.blocks.get(None), LocalContext.event_id.get(None)
        queue = None if blocks is None else blocks._queue
        return cls(name, queue, None if queue is None or event_id is None else queue.event_ids_to_events.get(event_id))

    @property
    def left(self) -> bool:
        """Whether nobody waits: the page was closed, or the request cancelled and so no longer Gradio's to finish."""
        if self.queue is None or self.event is None:
            return False
        return not self.event.alive or self.event._id not in self.queue.event_ids_to_events

    def check(self) -> None:
        """Raise if the work is no longer wanted.

        Raises:
            Left: if nobody waits for it.
            Interrupted: if it has taken longer than any request may; what has come by then may be finished after it.
        """
        if self.left:
            raise Left("Nobody waits for this any more.")
        if time.monotonic() > self.deadline:
            self.deadline += GRACE
            raise Interrupted(
                f"This was ended after {LIMITS.seconds:g} s, the most that a request may take; ask for less: fewer "
                "steps, variants or images."
            )

    @contextmanager
    def logged(self) -> Iterator[None]:
        """Write one line when the work within is done; nothing in it is the visitor's."""
        status = "done"
        try:
            yield
        except (Left, GeneratorExit):
            status = "left"
            raise
        except Interrupted:
            status = "ended"
            raise
        except FlowgenError:
            status = "refused"
            raise
        except BaseException:
            status = "failed"
            raise
        finally:
            log.info("work", extra={"facts": self._facts(status)})

    def _facts(self, status: str) -> dict[str, Any]:
        now = time.monotonic()
        facts = {"endpoint": self.name, "status": status, "milliseconds": round(1000 * (now - self.started))}
        if self.event is None:
            return facts
        waited = round(1000 * (self.started - self.event.enqueue_time))
        return facts | {"waited_milliseconds": waited, "request_id": self.event.request.scope.get("request_id")}


def attended(fn: Callable[..., Any]) -> Callable[..., Any]:
    """An event handler, or a generator of its updates, that ends at its deadline and when nobody waits for it."""
    if inspect.isgeneratorfunction(fn):

        @functools.wraps(fn)
        def updates(*args: Any) -> Iterator[Any]:
            job = Job.current(fn.__name__)
            with job.logged():
                yield from watched(fn(*args), job.check)

        return updates

    @functools.wraps(fn)
    def handler(*args: Any) -> Any:
        job = Job.current(fn.__name__)
        with job.logged(), interruptible(job.check):
            return fn(*args)

    return handler
