"""How the studio says no: a sentence on the page, a status in the 400s over HTTP, and the server goes on."""

import functools
import html
import inspect
import logging
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr
from fastapi import HTTPException, Request
from fastapi.exception_handlers import http_exception_handler
from gradio.route_utils import FnIndexInferError
from starlette.responses import Response

from flowgen.errors import FlowgenError
from flowgen.ui.files import NO_ROOM

__all__ = ["BadArgument", "polite", "refusal_handlers", "validator"]

log = logging.getLogger(__name__)

SORRY = "Something went wrong on the server, and it goes on; try again, or with other settings."
UNREADABLE = "The arguments cannot be read; /gradio_api/info lists each endpoint's arguments with their types."
NO_SUCH_ENDPOINT = "There is no such endpoint; /gradio_api/info lists those there are."


class BadArgument(FlowgenError):
    """A refusal that knows which argument it is about.

    Args:
        name: the argument's.
        sentence: for the person who asked.
    """

    def __init__(self, name: str, sentence: str) -> None:
        super().__init__(sentence)
        self.name = name


def polite(fn: Callable[..., Any]) -> Callable[..., Any]:
    """An event handler, or a generator of its updates, whose errors reach the page as one sentence.

    Gradio shows messages as HTML, so what a visitor wrote is escaped. An error that is not for people goes to the log.
    """
    if inspect.isgeneratorfunction(fn):

        @functools.wraps(fn)
        def updates(*args: Any) -> Iterator[Any]:
            try:
                yield from fn(*args)
            except Exception as error:
                raise _shown(error) from None

        return updates

    @functools.wraps(fn)
    def handler(*args: Any) -> Any:
        try:
            return fn(*args)
        except Exception as error:
            raise _shown(error) from None

    return handler


def validator(check: Callable[..., Any]) -> Callable[..., Any]:
    """What Gradio runs before a request may wait in the queue: what `check` refuses gets status 422 at once."""
    names = list(inspect.signature(check).parameters)

    @functools.wraps(check)
    def verdicts(*args: Any) -> Any:
        verdict = [gr.validate(True, "") for _ in names]
        try:
            check(*args)
        except BadArgument as error:
            verdict[names.index(error.name)] = gr.validate(False, str(error))
        except FlowgenError as error:
            verdict[0] = gr.validate(False, str(error))
        return verdict if len(names) > 1 else verdict[0]

    return verdicts


def _shown(error: Exception) -> gr.Error:
    if isinstance(error, FlowgenError):
        return gr.Error(html.escape(str(error)), title="Not like this", print_exception=False)
    log.error("a request failed", exc_info=error)
    return gr.Error(SORRY, title="Sorry", print_exception=False)


async def _http_error(request: Request, error: Exception) -> Response:
    """Answer what Gradio's own reading of a request raises; its texts may name paths of this machine."""
    assert isinstance(error, HTTPException)
    if error.status_code == 400 and _is_call(request):
        error = HTTPException(400, UNREADABLE)
    return await http_exception_handler(request, error)


async def _unreadable(request: Request, error: Exception) -> Response:
    if not _is_call(request):
        raise error
    return await http_exception_handler(request, HTTPException(400, UNREADABLE))


async def _no_room(request: Request, error: Exception) -> Response:
    log.error("a file could not be written", exc_info=error)
    return await http_exception_handler(request, HTTPException(507, NO_ROOM))


async def _no_such_endpoint(request: Request, error: Exception) -> Response:
    return await http_exception_handler(request, HTTPException(404, NO_SUCH_ENDPOINT))


def _is_call(request: Request) -> bool:
    return request.method == "POST" and request.url.path.startswith(("/gradio_api/call/", "/gradio_api/queue/join"))


def refusal_handlers() -> dict[Any, Any]:
    """Exception handlers for the application that serves the page."""
    unreadable = dict.fromkeys((KeyError, IndexError, TypeError, ValueError), _unreadable)
    return {HTTPException: _http_error, FnIndexInferError: _no_such_endpoint, OSError: _no_room, **unreadable}
