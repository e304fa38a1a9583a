"""The picture on the page: a box that shows what a model sees, with the tools to paint a hole into it."""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import torch
from PIL import Image
from torch import Tensor

from flowgen.data.pictures import Invert, open_picture, to_levels
from flowgen.errors import FlowgenError
from flowgen.ui import arguments
from flowgen.ui.polarity import wanted
from flowgen.ui.view import data_url, png

__all__ = ["Seen", "Value", "empty", "filled", "open_png", "picture_box", "read_box", "read_mask", "read_source"]

Value = dict[str, Any]

PNG_URL = "data:image/png;base64,"
LONGEST_URL = 1_000_000

_PARTS = ("picture", "picture_brush", "picture_intake", "picture_crop", "picture_start")
_SCRIPT = "\n".join((Path(__file__).parent / f"{part}.js").read_text(encoding="utf-8") for part in _PARTS)

_PAINT = """
  <div class="fg-tools" role="toolbar" aria-label="Paint the hole">
    <button type="button" class="fg-tool" data-do="brush" aria-pressed="true">Brush</button>
    <button type="button" class="fg-tool" data-do="eraser" aria-pressed="false">Eraser</button>
    <button type="button" class="fg-tool" data-do="ink" aria-pressed="false" hidden>Ink</button>
    <label class="fg-size" title="Smaller [ &middot; larger ]">Size
      <input type="range" data-part="size" min="1" max="13" step="2" value="5">
    </label>
    <button type="button" class="fg-tool" data-do="undo" title="Ctrl+Z" disabled>Undo</button>
    <button type="button" class="fg-tool" data-do="redo" title="Ctrl+Shift+Z" disabled>Redo</button>
    <button type="button" class="fg-tool" data-do="grow" title="Widen the hole by a pixel">Grow</button>
    <button type="button" class="fg-tool" data-do="invert">Invert</button>
    <button type="button" class="fg-tool" data-do="clear">Clear</button>
    <button type="button" class="fg-tool" data-do="peek" aria-pressed="false">See through</button>
    <label class="fg-tool" data-part="mask-drop" title="White is what to fill in; drop the file here, or choose it">Mask
      <input type="file" accept="image/*" data-part="mask-file" aria-label="{label}: upload a mask">
    </label>
    <button type="button" class="fg-tool" data-do="crop" aria-pressed="false" hidden>Crop</button>
  </div>
  <div class="fg-crop" data-part="crop" hidden>
    <img data-part="photo" alt="The whole picture" draggable="false">
    <div class="fg-frame" data-part="frame" tabindex="0" role="group"
      aria-label="What the model sees: arrow keys move the frame, plus and minus resize it">
      <i data-corner="nw"></i><i data-corner="ne"></i><i data-corner="sw"></i><i data-corner="se"></i>
    </div>
  </div>"""
_BLANK = """
    <button type="button" class="fg-tool" data-do="blank" title="Start with an empty sheet">Draw</button>"""

_FRAME = """
<div class="fg-picture {kind}">
  <div class="fg-tools">
    <strong class="fg-name">{label}</strong>
    <label class="fg-tool">Upload
      <input type="file" accept="image/*" data-part="file" aria-label="{label}: upload">
    </label>
    <button type="button" class="fg-tool" data-do="camera" hidden>Camera</button>
    <button type="button" class="fg-tool" data-do="take" hidden>Take it</button>
    <button type="button" class="fg-tool" data-do="leave" hidden>Cancel</button>
    <button type="button" class="fg-tool" data-do="sample" title="Draw a sample from the model">Sample</button>{blank}
  </div>
  <div class="fg-stage is-empty" data-part="stage">
    <canvas data-part="canvas" width="1" height="1" tabindex="0" role="img" aria-label="{label}: none yet"></canvas>
    <video data-part="lens" muted playsinline aria-label="What the camera sees"></video>
    <p class="fg-empty">Drop a picture here, or paste one.<br>Any size; photographs of ink on paper too.</p>
  </div>
  <p class="fg-caption" data-part="caption" aria-live="polite"></p>
  <p class="fg-note" data-part="remark"></p>
  <button type="button" class="fg-tool" data-do="swap" hidden></button>
  <p class="fg-trouble" data-part="trouble" role="alert" data-busy="Uploading …"
    data-failed="This file could not be uploaded; it may be too large."
    data-blind="The camera cannot be used; the browser or another program keeps it."></p>{paint}
</div>"""


@dataclass(frozen=True)
class Seen:
    """An image at a model's shape, and what of it is known.

    Args:
        levels: (c, h, w) uint8.
        known: (h, w) bool, False where something was painted over.
    """

    levels: Tensor
    known: Tensor


def picture_box(label: str, elem_id: str, *, paint: bool = False) -> gr.HTML:
    """The component: upload, drop, paste or sample a picture, and with `paint` mark what is to be filled in."""
    tools = {"kind": "fg-paint", "paint": _PAINT.format(label=label), "blank": _BLANK} if paint else {}
    template = _FRAME.format(label=label, **{"kind": "", "paint": "", "blank": ""} | tools)
    return gr.HTML(
        value=empty(),
        label=label,
        elem_id=elem_id,
        elem_classes=["fg-raw"],
        html_template=template,
        js_on_load=_SCRIPT,
        apply_default_css=False,
    )


def empty(trouble: str = "") -> Value:
    """A box with nothing in it."""
    nothing = dict.fromkeys(("picture", "file", "size", "crop", "view", "invert", "inverted", "seed", "of"))
    return nothing | {"mask": "", "drawn": False, "caption": "", "remark": "", "trouble": trouble}


def filled(levels: Tensor, num_levels: int, caption: str) -> Value:
    """A box showing an image, (c, h, w) uint8, with nothing painted on it."""
    return empty() | {"picture": data_url(png(levels, num_levels)), "caption": caption}


def read_box(value: Any, event_shape: tuple[int, ...], levels: int) -> Seen:
    """The image and the hole that a box holds.

    Raises:
        FlowgenError: if it is empty, was made for a model of another shape, or is not what the page sends.
    """
    height, width = event_shape[-2:]
    picture = _shown(value)
    if picture.size != (width, height):
        raise FlowgenError("The picture was made for a model of another size: upload it again, or draw a sample.")
    known = read_mask(value.get("mask"), height, width)
    return Seen(to_levels(picture, event_shape, levels=levels, invert=False), known)


def read_mask(mask: Any, height: int, width: int) -> Tensor:
    """What is known, (height, width) bool, of a mask as the page sends it: a mark a pixel, or nothing where all is.

    Raises:
        FlowgenError: for anything else.
    """
    marks = mask or "0" * (height * width)
    if not isinstance(marks, str) or len(marks) != height * width or set(marks) - {"0", "1"}:
        raise FlowgenError(f"The mask must have one mark for each of the {width} x {height} pixels: paint it again.")
    return torch.tensor([mark == "0" for mark in marks]).view(height, width)


def read_source(value: Any) -> tuple[Image.Image, Invert]:
    """What a box was filled from, for models of any shape: the upload itself, whose paper may be white, or the sample.

    Raises:
        FlowgenError: if the box is empty, or the upload gone.
    """
    if isinstance(value, dict) and value.get("file"):
        return arguments.open_upload("picture", value["file"]), wanted(value)
    return _shown(value), False


def _shown(value: Any) -> Image.Image:
    picture = value.get("picture") if isinstance(value, dict) else None
    if picture is None:
        raise FlowgenError("There is no picture yet: upload one, or draw a sample.")
    return open_png(picture)[1]


def open_png(url: Any) -> tuple[bytes, Image.Image]:
    """A small PNG that the page sends as a data URL: the file and the picture.

    Raises:
        FlowgenError: for anything else.
    """
    if not (isinstance(url, str) and url.startswith(PNG_URL) and len(url) < LONGEST_URL):
        raise FlowgenError("There is no picture yet: upload one, or draw a sample.")
    try:
        content = base64.b64decode(url.removeprefix(PNG_URL), validate=True)
    except ValueError:
        raise FlowgenError("The picture cannot be read: upload it again.") from None
    with arguments.DECODING:
        return content, open_picture(content)
