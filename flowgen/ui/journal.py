"""The log of a server: a line of JSON for each request and each piece of work, and nothing of a visitor's in it."""

import inspect
import io
import json
import logging
import sys
import time
import traceback
from datetime import UTC, datetime

__all__ = ["JsonLines", "Muffled", "keep_journal"]

log = logging.getLogger(__name__)


class JsonLines(logging.Formatter):
    """Records as JSON: time, level, event, and the facts that came with it.

    Of an exception only its type and where it came from are written, since its text may repeat what a visitor sent.
    """

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
            line["at"] = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(record.exc_info[2])]
        return json.dumps(line)


class Muffled(io.TextIOBase):
    """In the place of standard output: of what others print, a line says where in the code, and not what.

    Gradio prints what it cannot read, and tracebacks whose last line may repeat it.
    """

    def __init__(self) -> None:
        self.last = ("", 0.0)

    def write(self, text: str) -> int:
        at, now = _caller(), time.monotonic()
        if text.strip() and (at != self.last[0] or now > self.last[1] + 1):  # a traceback comes in many pieces
            self.last = (at, now)
            log.warning("printed", extra={"facts": {"at": at}})
        return len(text)

    def writable(self) -> bool:
        return True


def _caller() -> str:
    """Where in the code the printing was asked for."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_code.co_filename in (__file__, traceback.__file__):
        frame = frame.f_back
    return "" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"


def keep_journal() -> None:
    """Have the server's logs written as lines of JSON to standard error, and nothing else printed by this process."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    for name, level in (("flowgen", logging.INFO), ("uvicorn", logging.WARNING), ("asyncio", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)
    logging.getLogger("uvicorn.error").handlers = []  # they go up to uvicorn's
    logging.raiseExceptions = False  # a log that cannot be written, as on a full disk, must not be the end of a request
    sys.stdout = sys.stderr = Muffled()
