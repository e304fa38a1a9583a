"""The door: what every HTTP request passes on its way in and out.

In: a page of another site, a body too large, Gradio's own back doors and a cancellation of somebody else's request are
turned away. Out: a request id in a header, a cookie for a browser that has none, and a line in the log.
"""

import json
import logging
import re
import secrets
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flowgen.ui.limits import LIMITS
from flowgen.ui.visitors import COOKIE, new_cookie

__all__ = ["Door"]

log = logging.getLogger(__name__)

CLOSED = (  # what Gradio has for developers, recordings and other servers, and the studio does not
    "/monitoring",
    "/gradio_api/dev/",
    "/gradio_api/process_recording",
    "/gradio_api/profiling",
    "/gradio_api/proxy=",
    "/gradio_api/run-history",
    "/gradio_api/undo-vibe",
    "/gradio_api/vibe",
)
UPLOAD, CANCEL = "/gradio_api/upload", "/gradio_api/cancel"
TOOLS = "/gradio_api/mcp"  # whose pictures are written into the request, in Base64
MEGABYTE = 2**20
BODY_MEGABYTES = 4  # of anything but an upload: two pictures of a megabyte each, their masks and some settings
FORM_MEGABYTES = 1  # around the file of an upload
QUIET = ("/assets/{path:path}", "/static/{path:path}")  # parts of the page, of which there are many
FOREIGN = "This comes from a page of another site: open the studio itself, or call it from a program."
TOO_LARGE = "A request may have {} MB: upload pictures, instead of writing them into it."
NOT_FOUND = "There is nothing here."
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")

Mine = Callable[[str, str], bool]


class Door:
    """Starlette middleware around the whole application.

    Args:
        app: what is behind it.
        is_pending: whether an event, by its id, is one of a session's.
        make_room: called before what may leave files is taken.
    """

    def __init__(self, app: ASGIApp, *, is_pending: Mine, make_room: Callable[[], Any]) -> None:
        self.app, self.is_pending, self.make_room = app, is_pending, make_room

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        visit = _Visit(scope, send)
        try:
            await self._enter(scope, receive, visit)
        finally:
            visit.log()

    async def _enter(self, scope: Scope, receive: Receive, visit: "_Visit") -> None:
        path = scope["path"].rstrip("/")
        if _is_foreign(Headers(scope=scope)):
            await visit.refuse(403, FOREIGN)
        elif path.startswith(CLOSED):
            await visit.refuse(404, NOT_FOUND)
        elif scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self._answer(scope, receive, visit)
        elif path == UPLOAD:
            await self._take_upload(scope, receive, visit)
        else:
            await self._take_call(scope, receive, visit, path)

    async def _answer(self, scope: Scope, receive: Receive, visit: "_Visit") -> None:
        """Let a stream that breaks, such as that of a session there is not, end as others do."""
        try:
            await self.app(scope, receive, visit.send)
        except Exception as error:
            if visit.status is None:
                raise
            log.warning("a stream broke", exc_info=error)
            await visit.send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _take_upload(self, scope: Scope, receive: Receive, visit: "_Visit") -> None:
        """Count what comes, and hang up on what is too much; Gradio counts each file, but not how many."""
        room = (LIMITS.upload_megabytes + FORM_MEGABYTES) * MEGABYTE
        sentence = f"An upload may have {LIMITS.upload_megabytes} MB: scale the picture down."
        left = room

        async def counted() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            return message if left >= 0 else {"type": "http.disconnect"}

        if int(Headers(scope=scope).get("content-length", "0")) > room:
            await visit.refuse(413, sentence)
            return
        await self.make_room()
        try:
            await self.app(scope, counted, visit.send)
        except Exception:
            if left >= 0:
                raise
        if left < 0 and visit.status is None:
            await visit.refuse(413, sentence)

    async def _take_call(self, scope: Scope, receive: Receive, visit: "_Visit", path: str) -> None:
        megabytes = LIMITS.upload_megabytes * 4 // 3 + FORM_MEGABYTES if path == TOOLS else BODY_MEGABYTES
        body = await _read(receive, megabytes * MEGABYTE)
        await self.make_room()
        if body is None:
            await visit.refuse(413, TOO_LARGE.format(megabytes))
        elif path == CANCEL and not self._is_own(body):
            await visit.refuse(404, "There is no such request of yours to cancel.")
        else:
            await self.app(scope, _again(body, receive), visit.send)

    def _is_own(self, body: bytes) -> bool:
        """Whether a cancellation knows the event's id, which only its own session was told."""
        try:
            said = json.loads(body)
            return self.is_pending(str(said["session_hash"]), str(said["event_id"]))
        except (ValueError, KeyError, TypeError, RecursionError):
            return False


class _Visit:
    """A request on its way: what is sent gets our headers, and at its end it is written down."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.scope, self._send = scope, send
        self.started = time.monotonic()
        self.status: int | None = None
        self.headers = Headers(scope=scope)
        given = self.headers.get("x-request-id", "")
        self.id = given if REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        scope["request_id"] = self.id

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-ID"] = self.id
            headers["X-Content-Type-Options"] = "nosniff"
            if self.scope["path"] == "/" and COOKIE not in cookie_parser(self.headers.get("cookie", "")):
                headers.append("Set-Cookie", new_cookie())
        await self._send(message)

    async def refuse(self, status: int, sentence: str) -> None:
        await JSONResponse({"detail": sentence}, status)(self.scope, _nothing, self.send)

    def log(self) -> None:
        """The route's template stands for the path, which may hold names, hashes and ids."""
        path = getattr(self.scope.get("route"), "path", "other")
        if (path in QUIET or self.scope["path"] == "/ready") and self.status is not None and self.status < 400:
            return
        facts = {
            "method": self.scope["method"],
            "path": path,
            "status": self.status,
            "milliseconds": round(1000 * (time.monotonic() - self.started)),
            "request_id": self.id,
        }
        log.info("request", extra={"facts": facts})


def _is_foreign(headers: Headers) -> bool:
    """Whether a browser says that a page of another host is asking.

    A proxy may have renamed ours; but that name is a script's to set, where the browser says that it is another site's.
    """
    origin = headers.get("origin")
    host = None if origin is None else urlsplit(origin).netloc
    if host is None or host == headers.get("host"):
        return False
    return headers.get("sec-fetch-site") in ("cross-site", "same-site") or host != headers.get("x-forwarded-host")


async def _read(receive: Receive, most: int) -> bytes | None:
    """The body, or nothing if it is larger, or its sender has gone."""
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > most:
            return None
        if not message.get("more_body", False):
            return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """Receive a body that was read already, and then what comes after it."""
    given = False

    async def receive_again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again


async def _nothing() -> Message:
    return {"type": "http.disconnect"}
