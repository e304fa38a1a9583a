"""The queue of the page's events, which is full for work alone: Stop comes through however many wait."""

from typing import Any

import gradio as gr
from gradio.queueing import Queue
from gradio.route_utils import get_fn

from flowgen.ui.events import MODEL_WORK
from flowgen.ui.limits import LIMITS

__all__ = ["WorkQueue", "queue_work"]

OTHERS = 1000  # events that are no work and find a full queue; they are answered at once, so that no visitor has many


class WorkQueue(Queue):
    """Gradio's own refuses every event when it is full, the Stop that would empty it too."""

    async def push(self, body: Any, request: Any, username: Any) -> Any:
        waiting = len(self)
        if body.fn_index is not None and waiting >= LIMITS.queue:
            works = get_fn(self.blocks, None, body).concurrency_id == MODEL_WORK["concurrency_id"]
            if works or waiting >= LIMITS.queue + OTHERS:
                return False, f"Queue is full. {waiting} wait, and {LIMITS.queue} may.", "queue_full"
        return await super().push(body, request, username)


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
