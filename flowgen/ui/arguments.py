"""Arguments as they come from strangers: each is checked, and refused in one sentence that names it."""

import logging
import sys
from collections.abc import Iterable
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any

from PIL import Image
from torch import Tensor

from flowgen.checkpoint import Meta
from flowgen.data.pictures import open_picture
from flowgen.errors import FlowgenError
from flowgen.inference import methods_by
from flowgen.library import Library
from flowgen.models import FLOWS
from flowgen.ui.refusals import BadArgument

__all__ = [
    "DECODING",
    "choice",
    "methods",
    "model",
    "models",
    "number",
    "open_upload",
    "plain_upload",
    "upload_path",
    "whole",
]


log = logging.getLogger(__name__)

# Uploads are looked at before they wait in line, and a large one takes half a gigabyte while it is decoded.
DECODING = BoundedSemaphore(2)

UPLOAD = {"_type": "gradio.FileData"}  # how Gradio marks what it has looked at


def models(library: Library) -> list[str]:
    """The names of the models that can be read; a damaged checkpoint is noted in the log and not offered."""
    readable = []
    for name in library.names():
        try:
            library.describe(name)
            readable.append(name)
        except FlowgenError as error:
            log.warning("a model is not offered: %s", error)
    return readable


def model(library: Library, value: Any) -> Meta:
    """What the model of this name says of itself.

    Raises:
        BadArgument: if there is none.
    """
    return library.describe(choice("model", value, models(library)))


def methods(meta: Meta, known: Tensor | None = None) -> list[str]:
    """The names of the methods that fill in a hole by a model, the usual one first, without loading it."""
    return methods_by(meta.event_shape, meta.levels, known, in_order=meta.recipe not in FLOWS)


def number(name: str, value: Any, low: float, high: float) -> float:
    """A finite number from low to high.

    Raises:
        BadArgument: for anything else; numbers in quotes are not numbers.
    """
    if not (_is_number(value) and low <= value <= high):
        raise BadArgument(name, f"{name} must be a number from {low:g} to {high:g}{_but(value)}.")
    return float(value)


def whole(name: str, value: Any, low: int, high: int) -> int:
    """A whole number from low to high; 8.0 is one, as pages send it.

    Raises:
        BadArgument: for anything else.
    """
    if not (_is_number(value) and value == int(value) and low <= value <= high):
        raise BadArgument(name, f"{name} must be a whole number from {low} to {high}{_but(value)}.")
    return int(value)


def choice(name: str, value: Any, options: Iterable[str]) -> str:
    """One of the options.

    Raises:
        BadArgument: listing them.
    """
    known = list(options)
    if not (isinstance(value, str) and value in known):
        offer = f"must be one of {', '.join(known)}" if known else "cannot be chosen: there is none here yet"
        raise BadArgument(name, f"{name} {offer}{_but(value)}.")
    return value


def plain_upload(value: Any) -> dict[str, Any] | None:
    """An upload as Gradio marks it and nothing more, such as an address that the server would then fetch; None for
    what is no upload.
    """
    if not (isinstance(value, dict) and value.get("meta") == UPLOAD and isinstance(value.get("path"), str)):
        return None
    return {"path": value["path"], "meta": UPLOAD}


def upload_path(name: str, value: Any) -> Path:
    """The file behind an upload.

    Gradio has already refused files that were not uploaded here, but it looks only at values of this one form: a path
    in any other form would be the visitor's word.

    Raises:
        BadArgument: if there is none.
    """
    upload = plain_upload(value)
    if upload is None:
        raise BadArgument(name, f"{name} is missing: upload an image file.")
    return Path(upload["path"])


def open_upload(name: str, value: Any) -> Image.Image:
    """The picture in an upload, upright and opaque.

    Raises:
        BadArgument: if there is none, or it is no picture, or too large.
    """
    try:
        path = upload_path(name, value)
        with DECODING:
            return open_picture(path)
    except FlowgenError as error:
        raise BadArgument(name, str(error)) from None


def _is_number(value: Any) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and abs(value) <= sys.float_info.max  # math.isfinite cannot take integers beyond


def _but(value: Any) -> str:
    """What was given instead, if it is short and harmless enough to repeat."""
    if value is None:
        return ", and is missing"
    if isinstance(value, (int, float, str)):
        text = repr(value) if isinstance(value, str) else f"{value}"
        if len(text) <= 40 and text.isprintable() and "/" not in text and "\\" not in text:
            return f", not {text}"
    return ""
