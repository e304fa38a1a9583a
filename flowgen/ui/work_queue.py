"""The queue of the page's events, which is full for work alone, and whose stream of answers outlives the last of them.

Gradio refuses every event when its queue is full, the Stop that would empty it too. And it closes a page's stream of
answers with the last one that is awaited: what the page asks in that very moment, as when one event follows another,
never gets an answer, for the browser takes the stream to be open still.
"""

import asyncio
from typing import Any

import gradio as gr
from gradio.queueing import Queue
from gradio.route_utils import get_fn
from gradio.server_messages import ProcessCompletedMessage

from flowgen.ui.events import MODEL_WORK
from flowgen.ui.limits import LIMITS

__all__ = ["LINGER", "OPEN", "WorkQueue", "queue_work"]

OTHERS = 1000  # events that are no work and find a full queue; they are answered at once, so that no visitor has many
LINGER = 3.0  # seconds that a page's stream stays open with nothing left to answer
OPEN = "open"  # stands among the events that a page awaits for as long


class WorkQueue(Queue):
    """Gradio's queue, with room for Stop, and with streams that linger."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lingering: dict[str, asyncio.Task[None]] = {}

    async def push(self, body: Any, request: Any, username: Any) -> Any:
        waiting = len(self)
        if body.fn_index is not None and waiting >= LIMITS.queue:
            works = get_fn(self.blocks, None, body).concurrency_id == MODEL_WORK["concurrency_id"]
            if works or waiting >= LIMITS.queue + OTHERS:
                return False, f"Queue is full. {waiting} wait, and {LIMITS.queue} may.", "queue_full"
        pushed = await super().push(body, request, username)
        session = body.session_hash
        private = body.fn_index is not None and get_fn(self.blocks, None, body).api_visibility == "private"
        # Browsers say where a page's request comes from; programs do not, and read their answers to the stream's end.
        if private and "origin" in request.headers and session in self.pending_event_ids_session:
            self.pending_event_ids_session[session].add(OPEN)
            if session not in self.lingering:
                self.lingering[session] = asyncio.create_task(self._close_in_time(session))
        return pushed

    async def clean_events(self, *, session_hash: str | None = None, event_id: str | None = None) -> None:
        await super().clean_events(session_hash=session_hash, event_id=event_id)
        if session_hash is not None and self.pending_event_ids_session.get(session_hash) == {OPEN}:
            del self.pending_event_ids_session[session_hash]  # the page was closed

    async def _close_in_time(self, session: str) -> None:
        """Have the stream of a page closed once nothing was awaited for a while, or end with the page."""
        idle = 0.0
        try:
            while session in self.pending_event_ids_session and idle < LINGER:
                await asyncio.sleep(LINGER / 6)
                idle = idle + LINGER / 6 if self.pending_event_ids_session.get(session) == {OPEN} else 0.0
            messages = self.pending_messages_per_session.get(session)
            if messages is not None:
                await messages.put(ProcessCompletedMessage(event_id=OPEN, output={}, success=True))
        finally:
            del self.lingering[session]


def queue_work(page: gr.Blocks) -> None:
    """Give a page its queue."""
    page.queue(api_open=False)
    page._queue = WorkQueue(
        live_updates=True,
        concurrency_count=page.max_threads,
        update_intervals=1,
        max_size=None,
        blocks=page,
        default_concurrency_limit="not_set",
    )
