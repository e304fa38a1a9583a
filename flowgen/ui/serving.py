"""The application around the page: the door before it, the route that says whether it is ready, and its refusals."""

import math
import time
from typing import Any

import gradio as gr
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware

from flowgen.library import Library
from flowgen.ui.cache import make_room
from flowgen.ui.door import Door
from flowgen.ui.front import Front
from flowgen.ui.readiness import readiness
from flowgen.ui.refusals import refusal_handlers
from flowgen.ui.tidying import forget
from flowgen.ui.work_queue import OPEN

__all__ = ["application"]

SECONDS_BETWEEN_SWEEPS = 1.0


def application(page: gr.Blocks, library: Library) -> dict[str, Any]:
    """What FastAPI is to be made with; see `app_kwargs` of Gradio's launch."""

    def is_pending(session_hash: str, event_id: str) -> bool:
        return event_id != OPEN and event_id in page._queue.pending_event_ids_session.get(session_hash, ())

    swept = -math.inf

    async def sweep() -> None:
        nonlocal swept
        if time.monotonic() > swept + SECONDS_BETWEEN_SWEEPS:
            swept = time.monotonic()
            await run_in_threadpool(make_room)
            forget(page)

    return {
        "exception_handlers": refusal_handlers(),
        "middleware": [Middleware(Door, is_pending=is_pending, make_room=sweep), Middleware(Front)],
        "routes": [readiness(library, lambda: page._queue)],
    }
