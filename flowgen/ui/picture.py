"""The picture on the page: what a model sees of an upload or a sample, and the hole painted into it."""

import base64
import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import gradio as gr
import torch
from PIL import Image
from torch import Tensor

from flowgen.checkpoint import Meta
from flowgen.data import to_bytes
from flowgen.data.pictures import open_picture, to_levels
from flowgen.errors import FlowgenError
from flowgen.library import Library
from flowgen.ui import arguments, controls
from flowgen.ui.events import on_page
from flowgen.ui.kept import Asked
from flowgen.ui.links import unpacked
from flowgen.ui.view import data_url, png

__all__ = ["Seen", "connect", "kept_box", "picture_box", "read_box", "read_source", "sample_seed"]

Value = dict[str, Any]

PNG_URL = "data:image/png;base64,"
LONGEST_URL = 1_000_000
SEEDS = 100_000  # of samples in a box

_SCRIPT = (Path(__file__).parent / "picture.js").read_text(encoding="utf-8")

_BRUSHES = """
  <div class="fg-tools" role="toolbar" aria-label="Paint the hole">
    <button type="button" class="fg-tool" data-do="brush" aria-pressed="true">Brush</button>
    <button type="button" class="fg-tool" data-do="eraser" aria-pressed="false">Eraser</button>
    <label class="fg-size">Size <input type="range" data-part="size" min="1" max="13" step="2" value="5"></label>
    <button type="button" class="fg-tool" data-do="undo" title="Ctrl+Z" disabled>Undo</button>
    <button type="button" class="fg-tool" data-do="redo" title="Ctrl+Shift+Z" disabled>Redo</button>
    <button type="button" class="fg-tool" data-do="invert">Invert</button>
    <button type="button" class="fg-tool" data-do="clear">Clear</button>
  </div>"""

_FRAME = """
<div class="fg-picture {kind}">
  <div class="fg-tools">
    <strong class="fg-name">{label}</strong>
    <label class="fg-tool">Upload
      <input type="file" accept="image/*" data-part="file" aria-label="{label}: upload">
    </label>
    <button type="button" class="fg-tool" data-do="sample" title="Draw a sample from the model">Sample</button>
  </div>
  <div class="fg-stage is-empty" data-part="stage">
    <canvas data-part="canvas" width="1" height="1" tabindex="0" role="img" aria-label="{label}: none yet"></canvas>
    <p class="fg-empty">Drop a picture here, or paste one.<br>Any size; photographs of ink on paper too.</p>
  </div>
  <p class="fg-caption" data-part="caption" aria-live="polite"></p>{brushes}
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
    template = _FRAME.format(label=label, kind="fg-paint" if paint else "", brushes=_BRUSHES if paint else "")
    return gr.HTML(
        value=empty(),
        label=label,
        elem_id=elem_id,
        elem_classes=["fg-raw"],
        html_template=template,
        js_on_load=_SCRIPT,
        apply_default_css=False,
    )


def empty(caption: str = "") -> Value:
    """A box with nothing in it."""
    return {"picture": None, "mask": "", "file": None, "caption": caption}


def filled(levels: Tensor, num_levels: int, caption: str, file: Any = None) -> Value:
    """A box showing an image, (c, h, w) uint8, with nothing painted on it."""
    return {"picture": data_url(png(levels, num_levels)), "mask": "", "file": file, "caption": caption}


def read_box(value: Any, event_shape: tuple[int, ...], levels: int) -> Seen:
    """The image and the hole that a box holds.

    Raises:
        FlowgenError: if it is empty, was made for a model of another shape, or is not what the page sends.
    """
    height, width = event_shape[-2:]
    picture = _shown(value)
    if picture.size != (width, height):
        raise FlowgenError("The picture was made for a model of another size: upload it again, or draw a sample.")
    mask = str(value.get("mask") or "0" * (height * width))
    if len(mask) != height * width or set(mask) - {"0", "1"}:
        raise FlowgenError(f"The mask must have one mark for each of the {width} x {height} pixels: paint it again.")
    known = torch.tensor([mark == "0" for mark in mask]).view(height, width)
    return Seen(to_levels(picture, event_shape, levels=levels, invert=False), known)


def read_source(value: Any) -> tuple[Image.Image, bool | Literal["auto"]]:
    """What a box was filled from, for models of any shape: the upload itself, whose paper may be white, or the sample.

    Raises:
        FlowgenError: if the box is empty, or the upload gone.
    """
    if isinstance(value, dict) and value.get("file"):
        return arguments.open_upload("picture", value["file"]), "auto"
    return _shown(value), False


def _shown(value: Any) -> Image.Image:
    picture = value.get("picture") if isinstance(value, dict) else None
    if not (isinstance(picture, str) and picture.startswith(PNG_URL) and len(picture) < LONGEST_URL):
        raise FlowgenError("There is no picture yet: upload one, or draw a sample.")
    try:
        return open_picture(base64.b64decode(picture.removeprefix(PNG_URL), validate=True))
    except ValueError:
        raise FlowgenError("The picture cannot be read: upload it again.") from None


def connect(box: gr.HTML, library: Library, model: gr.Dropdown) -> None:
    """Let a box take uploads and samples, and look at its upload anew when another model is chosen."""

    def look(value: Value, name: str) -> Value:
        return or_why_not(see_upload, library, name, value)

    def look_again(value: Value, name: str) -> Value:
        return or_why_not(see_again, library, name, value)

    def draw(value: Value, name: str) -> Value:
        if not is_wanted(value):
            return see_sample(library, name, random.randrange(SEEDS))
        seed = arguments.whole("seed", value["seed"], 0, SEEDS)
        return see_sample(library, name, seed) | {"mask": value.get("mask") or ""}

    on_page(box.upload, look, [box, model], box)
    on_page(box.sample, draw, [box, model], box, works=True)
    on_page(model.change, look_again, [box, model], box)


def kept_box(asked: Asked, part: str, meta: Meta) -> Any:
    """The box that the browser kept, if this model still takes its picture, or the one that a link's seed fills."""

    def check(value: Any) -> Value:
        if isinstance(value, dict):
            read_box(value, meta.event_shape, meta.levels)
            return value
        mask = asked.get("mask", lambda text: unpacked(text, math.prod(meta.event_shape[-2:])), "")
        return empty() | {"seed": arguments.whole(part, value, 0, SEEDS), "mask": mask}

    return asked.get(part, check, gr.skip())


def is_wanted(value: Any) -> bool:
    """Whether a box names the sample that is to fill it."""
    return isinstance(value, dict) and not value.get("picture") and value.get("seed") is not None


def sample_seed(value: Any, name: str) -> int | None:
    """The seed of the picture in a box, where it is a sample of this model and nobody's upload."""
    seed = value.get("seed") if isinstance(value, dict) and value.get("of") == name else None
    return seed if isinstance(seed, int) and 0 <= seed <= SEEDS else None


def or_why_not(see: Callable[[Library, str, Value], Value], library: Library, name: str, value: Value) -> Value:
    """What is seen, or an empty box that says why nothing can be: beside the picture, where the visitor looks."""
    try:
        return see(library, name, value)
    except FlowgenError as error:
        return empty(str(error))


def see_upload(library: Library, name: str, value: Value) -> Value:
    """What a model sees of the file just uploaded.

    Raises:
        FlowgenError: if it is no picture, or too large.
    """
    meta = arguments.model(library, name)
    file = value.get("file") if isinstance(value, dict) else None
    picture = arguments.open_upload("picture", file)
    levels = to_levels(picture, meta.event_shape, levels=meta.levels)
    width, height = picture.size
    return filled(levels, meta.levels, f"{width} x {height} pixels, seen as {_size(meta.event_shape)}", file)


def see_again(library: Library, name: str, value: Value) -> Value:
    """The same picture, with the hole painted into it, where it fits another model.

    An upload is looked at anew, and keeps its hole where the two models see pictures of one size; a sample goes where
    it does not fit.
    """
    meta = arguments.model(library, name)
    uploaded = isinstance(value, dict) and value.get("file")
    try:
        read_box(value, meta.event_shape, meta.levels)
    except FlowgenError:
        if is_wanted(value):
            return value  # it is about to come
        return see_upload(library, name, value) if uploaded else empty()
    return see_upload(library, name, value) | {"mask": value.get("mask") or ""} if uploaded else value


def see_sample(library: Library, name: str, seed: int) -> Value:
    """A sample of the model at its usual temperature."""
    model = library.load(arguments.model(library, name).name)
    x = model.sample(1, temperature=controls.usual_temperature(library, name), seed=seed)
    if not bool(x.isfinite().all()):
        raise FlowgenError(f"The sample of seed {seed} is not finite; draw another.")
    (levels,) = to_bytes(x, model.levels)
    return filled(levels, model.levels, f"a sample of {name}, seed {seed}") | {"seed": seed, "of": name}


def _size(event_shape: tuple[int, ...]) -> str:
    channels, height, width = event_shape
    return f"{width} x {height} {'gray' if channels == 1 else 'colour'}"
