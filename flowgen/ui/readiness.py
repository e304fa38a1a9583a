"""Whether the studio can serve: what a balancer asks before it sends a visitor."""

import tempfile
from collections.abc import Callable
from typing import Any

from gradio.queueing import Queue
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from flowgen.errors import FlowgenError
from flowgen.library import Library
from flowgen.ui import arguments
from flowgen.ui.cache import folder
from flowgen.ui.limits import LIMITS

__all__ = ["readiness"]


def readiness(library: Library, queue: Callable[[], Queue]) -> Route:
    """GET /ready: 200 where a model loads, a request can wait and a file can be written; else 503, and why not."""

    async def ready(request: Request) -> JSONResponse:
        try:
            models = await run_in_threadpool(_models, library)
            waiting = _waiting(queue())
            await run_in_threadpool(_write)
        except FlowgenError as error:
            return JSONResponse({"ready": False, "why": str(error)}, 503, headers={"Retry-After": "5"})
        return JSONResponse({"ready": True, "models": models, "waiting": waiting})

    return Route("/ready", ready)


def _models(library: Library) -> list[str]:
    """Those that can be read, of which one at least can be loaded."""
    names = arguments.models(library)
    if not names:
        raise FlowgenError("There is no model here that can be read: put checkpoints into the folder of models.")
    for name in names:
        try:
            library.load(name)
            return names
        except FlowgenError as error:
            last = error
    raise last


def _waiting(queue: Queue) -> dict[str, Any]:
    waiting, most = len(queue), LIMITS.queue
    if waiting >= most:
        raise FlowgenError(f"The queue is full: {waiting} requests wait. Try again in a little while.")
    return {"now": waiting, "most": most}


def _write() -> None:
    try:
        folder().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder()) as file:
            file.write(bytes(4096))
            file.flush()
    except OSError as error:
        raise FlowgenError(f"No file can be written: {error.strerror or 'the folder is not to be had'}.") from None
