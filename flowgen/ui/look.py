"""What a model sees of an upload, a part of it, a sample or an empty sheet, and what a mask file hides of it."""

import io
import json
import random
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import gradio as gr
import torch
from gradio.events import Dependency
from PIL import Image

from flowgen.checkpoint import Meta
from flowgen.data import to_bytes
from flowgen.data.pictures import Box, Invert, centred_box, mask_to_known, to_levels
from flowgen.errors import FlowgenError
from flowgen.library import Library
from flowgen.ui import arguments, controls
from flowgen.ui.boxes import SEEDS, is_wanted, wanted_seed
from flowgen.ui.events import on_page
from flowgen.ui.picture import Value, empty, filled, read_box
from flowgen.ui.polarity import inverts, otherwise, remark, wanted
from flowgen.ui.recipe import Recipe, find_recipe, read_recipe
from flowgen.ui.refusals import BadArgument
from flowgen.ui.view import data_url

__all__ = ["connect", "marks", "read_crop", "see_file"]

NOTHING_NEW = {"upload": None, "mask_file": None}
VIEW = 480  # pixels of the longer side of the photograph in which the crop is chosen


def connect(box: gr.HTML, library: Library, model: gr.Dropdown, *, paint: bool = False) -> Dependency:
    """Let a box take uploads and samples, and with `paint` crops, masks and drawings; give the event of an upload.

    When another model is chosen, it looks at the same upload.
    """

    def look(value: Any, name: str) -> Value:
        return or_why_not(see_upload, library, name, value)

    def look_again(value: Any, name: str) -> Any:
        if is_blank(value):  # a picture may be on its way, and must not be answered with none
            return gr.skip()
        return or_why_not(see_again, library, name, value)

    def look_at_crop(value: Any, name: str) -> Value:
        return or_why_not(see_crop, library, name, value)

    def look_at_mask(value: Any, name: str) -> Value:
        return or_why_not(see_mask, library, name, value)

    def swap(value: Any, name: str) -> Value:
        return or_why_not(see_swapped, library, name, value)

    def draw(value: Any, name: str) -> Value:
        if not is_wanted(value):
            return see_sample(library, name, random.randint(0, SEEDS))
        return see_sample(library, name, wanted_seed(value)) | {"mask": value.get("mask") or ""}

    def blank(name: str) -> Value:
        return see_blank(library, name)

    if paint:
        on_page(box.crop, look_at_crop, [box, model], box)
        on_page(box.mask, look_at_mask, [box, model], box)
        on_page(box.blank, blank, model, box)
    on_page(box.swap, swap, [box, model], box)
    on_page(box.sample, draw, [box, model], box, works=True)
    on_page(model.input, look_again, [box, model], box)
    return on_page(box.upload, look, [box, model], box)


def or_why_not(see: Callable[[Library, str, Value], Value], library: Library, name: str, value: Any) -> Value:
    """What is seen, or what was there before with a sentence why not: beside the picture, where the visitor looks."""
    given = value if isinstance(value, dict) else {}
    there = {key: given.get(key, nothing) for key, nothing in empty().items()}
    there |= {"file": arguments.plain_upload(there["file"]), "trouble": ""}
    new = {key: given.get(key) for key in NOTHING_NEW}
    try:
        return there | see(library, name, there | new) | NOTHING_NEW
    except FlowgenError as error:
        return there | {"trouble": str(error)} | NOTHING_NEW


def is_blank(value: Any) -> bool:
    """Whether there is nothing that another model could look at."""
    return not (isinstance(value, dict) and (value.get("picture") or value.get("file")))


def see_upload(library: Library, name: str, value: Value) -> Value:
    """What a model sees of the file just uploaded; of a completion that says what made it, what that was.

    Raises:
        FlowgenError: if it is no picture, or too large.
    """
    meta = arguments.model(library, name)
    seen = see_file(meta, value.get("upload"))
    text = find_recipe(arguments.upload_path("picture", value.get("upload")).read_bytes())
    if text is None:
        return seen
    try:
        return see_recipe(library, read_recipe(library, text), value["upload"])
    except FlowgenError as error:
        return seen | {"trouble": f"The settings in this PNG cannot be restored: {error}"}


def see_recipe(library: Library, recipe: Recipe, file: Any) -> Value:
    """The picture and the hole of a completion, and its recipe, from which the settings are taken.

    The picture is the one that the model was shown, or the photograph that the completion was pasted into, for another
    hole.

    Raises:
        FlowgenError: if the photograph has no such part as the recipe says.
    """
    meta = library.describe(recipe.model)
    changed = library.fingerprint(recipe.model) != recipe.model_sha256
    caption = f"restored: {recipe.model}, seed {recipe.seed}, #{recipe.index}"
    if recipe.crop is None:
        seen = filled(recipe.levels(meta.event_shape, meta.levels), meta.levels, caption)
    else:
        size = arguments.open_upload("picture", file).size
        seen = see_file(meta, file, read_crop(recipe.crop, size, meta.event_shape), wanted({"invert": recipe.invert}))
        seen["caption"] = f"{caption} · {seen['caption']}"
    trouble = f"{recipe.model} has changed since: the result will be another." if changed else ""
    return seen | {"mask": recipe.mask, "trouble": trouble, "recipe": json.dumps(asdict(recipe))}


def see_file(meta: Meta, file: Any, crop: Box | None = None, invert: Invert = "auto") -> Value:
    """What a model sees of an upload, or of a part of it; the default is the largest in its middle."""
    picture = arguments.open_upload("picture", file)
    box = crop or centred_box(picture.size, meta.event_shape)
    inverted = inverts(meta, picture, box, invert)
    turned = False if inverted is None else invert
    levels = to_levels(picture, meta.event_shape, levels=meta.levels, box=box, invert=turned)
    large = picture.size != levels.shape[:0:-1]
    return filled(levels, meta.levels, _caption(picture.size, box, meta.event_shape)) | {
        "file": arguments.plain_upload(file),
        "size": list(picture.size),
        "crop": list(box),
        "view": _small(picture) if large else None,
        "invert": None if invert == "auto" else invert,
        "inverted": inverted,
        "remark": remark(meta, inverted, invert),
    }


def see_swapped(library: Library, name: str, value: Value) -> Value:
    """The same part of the upload and the same hole, with light and dark exchanged.

    Raises:
        FlowgenError: if the upload is gone.
    """
    meta = arguments.model(library, name)
    picture = arguments.open_upload("picture", value.get("file"))
    crop = read_crop(value.get("crop"), picture.size, meta.event_shape)
    chosen = otherwise(meta, picture, crop, wanted(value))
    invert = wanted({"invert": chosen})
    return see_file(meta, value["file"], crop, invert) | {"mask": value["mask"] or ""}


def see_crop(library: Library, name: str, value: Value) -> Value:
    """What a model sees inside the frame; the page has carried the hole along.

    Raises:
        FlowgenError: if the frame is not a part of the upload in the model's proportions.
    """
    meta = arguments.model(library, name)
    size = arguments.open_upload("picture", value.get("file")).size
    crop = read_crop(value.get("crop"), size, meta.event_shape)
    return see_file(meta, value["file"], crop, wanted(value)) | {"mask": value["mask"] or ""}


def read_crop(value: Any, size: tuple[int, int], event_shape: tuple[int, ...]) -> Box:
    """A part of a picture of this (width, height), in the proportions of a model, as the page sends it.

    Raises:
        BadArgument: if it is anything else.
    """
    height, width = event_shape[-2:]
    if not isinstance(value, list) or len(value) != 4:
        raise BadArgument("crop", "crop must be four whole numbers: left, upper, right, lower.")
    left, right = (arguments.whole("crop", value[i], 0, size[0]) for i in (0, 2))
    upper, lower = (arguments.whole("crop", value[i], 0, size[1]) for i in (1, 3))
    across, down = right - left, lower - upper
    if min(across, down) < 1 or abs(across * height - down * width) > max(height, width):
        raise BadArgument("crop", f"crop must be a part of the picture in the proportions {width} : {height}.")
    return left, upper, right, lower


def see_again(library: Library, name: str, value: Value) -> Value:
    """The same picture, with the hole painted into it, where it fits another model.

    An upload is looked at anew, and keeps its frame and its hole where the two models see pictures of one size; a
    sample goes where it does not fit.
    """
    meta = arguments.model(library, name)
    fits = _fits(value, meta)
    if not value.get("file"):
        return value if fits or is_wanted(value) else empty()
    try:
        size = arguments.open_upload("picture", value["file"]).size
    except FlowgenError as error:
        return empty(str(error))
    try:
        crop = read_crop(value.get("crop"), size, meta.event_shape)
    except FlowgenError:  # the frame has the proportions of another model
        crop = centred_box(size, meta.event_shape)
    return see_file(meta, value["file"], crop, wanted(value)) | {"mask": (value["mask"] or "") if fits else ""}


def _fits(value: Any, meta: Meta) -> bool:
    try:
        read_box(value, meta.event_shape, meta.levels)
    except FlowgenError:
        return False
    return True


def see_mask(library: Library, name: str, value: Value) -> Value:
    """The same picture with the hole that a mask file marks: white, as large as the upload or as what the model sees.

    Raises:
        FlowgenError: if there is no picture yet, or the mask is of another size, or hides nothing or everything.
    """
    meta = arguments.model(library, name)
    read_box(value, meta.event_shape, meta.levels)
    mask = arguments.open_upload("mask", value.get("mask_file"))
    size, box = (meta.event_shape[-1], meta.event_shape[-2]), None
    if value.get("file") and mask.size != size:
        size = arguments.open_upload("picture", value["file"]).size
        box = read_crop(value.get("crop"), size, meta.event_shape)
    known = mask_to_known(mask, size, meta.event_shape, box=box)
    return {**value, "mask": marks(known)}


def marks(known: torch.Tensor) -> str:
    """What is known, (h, w) bool, as the page has it: a mark a pixel, "1" where it is to be filled in."""
    return "".join("0" if one else "1" for one in known.flatten().tolist())


def see_sample(library: Library, name: str, seed: int) -> Value:
    """A sample of the model at its usual temperature."""
    model = library.load(arguments.model(library, name).name)
    x = model.sample(1, temperature=controls.usual_temperature(library, name), seed=seed)
    if not bool(x.isfinite().all()):
        raise FlowgenError(f"The sample of seed {seed} is not finite; draw another.")
    (levels,) = to_bytes(x, model.levels)
    return filled(levels, model.levels, f"a sample of {name}, seed {seed}") | {"seed": seed, "of": name}


def see_blank(library: Library, name: str) -> Value:
    """An empty sheet to draw on."""
    meta = arguments.model(library, name)
    sheet = torch.zeros(meta.event_shape, dtype=torch.uint8)
    return filled(sheet, meta.levels, "Draw with Ink, then paint the hole with Brush.") | {"drawn": True}


def _small(picture: Image.Image) -> str:
    small = picture.copy()
    small.thumbnail((VIEW, VIEW))
    file = io.BytesIO()
    small.save(file, "JPEG", quality=80)
    return data_url(file.getvalue(), "image/jpeg")


def _caption(size: tuple[int, int], box: Box, event_shape: tuple[int, ...]) -> str:
    """How large the picture is, which part of it is looked at unless it is that in the middle, and how it is seen."""
    channels, height, width = event_shape
    left, upper, right, lower = box
    part = "" if box == centred_box(size, event_shape) else f" {right - left} x {lower - upper} at ({left}, {upper})"
    colours = "gray" if channels == 1 else "colour"
    return f"{size[0]} x {size[1]} pixels,{part} seen as {width} x {height} {colours}"
