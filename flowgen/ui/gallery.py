"""The variants of a run: each to be looked at beside its input, taken away, pasted back, or used as the next input."""

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image
from torch import Tensor

from flowgen.checkpoint import Meta
from flowgen.data.paste import blend, paste_back
from flowgen.data.pictures import Box, Invert, from_levels, png_bytes, to_levels
from flowgen.errors import FlowgenError
from flowgen.inference import Result
from flowgen.library import Library
from flowgen.ui import arguments, files, view
from flowgen.ui.events import on_page
from flowgen.ui.limits import LIMITS
from flowgen.ui.look import marks, read_crop, see_again
from flowgen.ui.picture import Value, empty, filled, open_png, read_mask
from flowgen.ui.polarity import wanted
from flowgen.ui.recipe import find_recipe, read_recipe, recipe_of, signed_png

__all__ = ["connect_gallery", "gallery_box", "gallery_of"]

FEATHER = 4  # pixels of the model, at most
VIEW = 960  # pixels of the longer side of what is shown of a photograph

_SCRIPT = (Path(__file__).parent / "gallery.js").read_text(encoding="utf-8")
_TEMPLATE = f"""
<section class="fg-gallery" data-part="gallery" aria-label="Variants" hidden>
  <div class="fg-compare" data-part="compare">
    <img data-part="after" alt="after" draggable="false"><img data-part="before" alt="before" draggable="false">
    <input type="range" data-part="slide" min="0" max="100" value="50" aria-label="Before and after">
    <b aria-hidden="true">before</b><b aria-hidden="true">after</b>
  </div>
  <p class="fg-caption" data-part="which" aria-live="polite"></p>
  <div class="fg-tiles" data-part="variants" style="--tile:104px" role="group" aria-label="Choose a variant"></div>
  <div class="fg-tools">
    <a class="fg-tool" data-part="png" title="With the settings inside: drop it on the picture to restore them">PNG</a>
    <button type="button" class="fg-tool" data-do="use">Use as input</button>
    <label class="fg-size"><input type="checkbox" data-part="keep"> keep the hole</label>
  </div>
  <div class="fg-tools" data-part="photo-tools">
    <button type="button" class="fg-tool" data-do="inside" aria-pressed="false">In the photo</button>
    <label class="fg-size" title="Over so many of the model's pixels around the hole it fades out">Feather
      <input type="range" data-part="feather" min="0" max="{FEATHER}" step="0.5" value="0">
    </label>
    <button type="button" class="fg-tool" data-do="png">Photo PNG</button>
    <button type="button" class="fg-tool" data-do="jpeg" hidden>Photo JPEG</button>
  </div>
  <p class="fg-trouble" data-part="trouble" role="alert" data-busy="Pasting back …"></p>
</section>"""


@dataclass(frozen=True)
class Chosen:
    """The variant that is chosen in a gallery, and what it was made of.

    Args:
        meta: of the model.
        content: PNG of the completion.
        levels: (c, h, w) uint8, the completion.
        known: (h, w) bool.
        file: the upload that it is a part of, or None; and picture and box: that upload, and the part.
        feather: in pixels of the model.
        invert: whether the model saw it with light and dark exchanged.
    """

    meta: Meta
    content: bytes
    levels: Tensor
    known: Tensor
    file: dict[str, Any] | None
    picture: Image.Image | None
    box: Box | None
    feather: float
    invert: Invert

    def pasted(self) -> Image.Image:
        """The upload with the completion in it.

        Raises:
            FlowgenError: if it was made of a sample or a drawing.
        """
        picture, box = self._photo()
        asked: dict[str, Any] = {"levels": self.meta.levels, "feather": self.feather, "invert": self.invert}
        return paste_back(picture, box, self.levels, self.known, **asked)

    def with_hole(self) -> Image.Image:
        """The upload with what was filled in, in the colour of what is missing.

        Raises:
            FlowgenError: if it was made of a sample or a drawing.
        """
        picture, (left, upper, right, lower) = self._photo()
        hidden = Image.fromarray(np.uint8(255) * (blend(self.known, (right - left, lower - upper)) > 0))
        shown = picture.convert("RGB")
        shown.paste(view.HOLE, (left, upper, right, lower), hidden)
        return shown

    def _photo(self) -> tuple[Image.Image, Box]:
        if self.picture is None or self.box is None:
            raise FlowgenError("There is no photo to paste it back into: it was made of a sample or a drawing.")
        return self.picture, self.box


def gallery_box(elem_id: str) -> gr.HTML:
    """The component, empty."""
    return gr.HTML(
        value=None,
        elem_id=elem_id,
        elem_classes=["fg-raw"],
        html_template=_TEMPLATE,
        js_on_load=_SCRIPT,
        apply_default_css=False,
    )


def gallery_of(result: Result, box: Value, before: bytes) -> Value:
    """The gallery of a run.

    Args:
        result: of the run.
        box: the picture box it was started from.
        before: PNG of the picture with its hole.
    """
    mask = marks(result.known)
    variants = [
        signed_png(from_levels(one, result.levels), recipe_of(result.settings, i, mask, result.image, result.levels))
        for i, one in enumerate(result.completions)
    ]
    file = arguments.plain_upload(box.get("file"))
    return {
        "model": result.settings["model"],
        "seed": result.settings["seed"],
        "variants": [view.data_url(one) for one in variants],
        "selected": 0,
        "before": view.data_url(before),
        "mask": mask,
        "file": file,
        "crop": box.get("crop"),
        "invert": box.get("invert"),
        "large": bool(box.get("view")),
        "jpeg": file is not None and _is_jpeg(Path(file["path"])),
        "feather": 0,
        "inside": None,
        "saved": None,
        "trouble": "",
    }


def _is_jpeg(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(3) == b"\xff\xd8\xff"


def read_gallery(library: Library, value: Any) -> Chosen:
    """What is chosen in a gallery as the page sends it.

    Raises:
        FlowgenError: for anything out of order.
    """
    if not isinstance(value, dict) or not isinstance(value.get("variants"), list):
        raise FlowgenError("There are no variants yet: press Fill in.")
    meta, variants = arguments.model(library, value.get("model")), value["variants"]
    chosen = arguments.whole("selected", value.get("selected"), 0, min(len(variants), LIMITS.variants) - 1)
    content, completion = open_png(variants[chosen])
    if completion.size != (meta.event_shape[-1], meta.event_shape[-2]):
        raise FlowgenError("The variant has another size than the model's: fill in again.")
    file = arguments.plain_upload(value.get("file"))
    picture = None if file is None else arguments.open_upload("picture", file)
    return Chosen(
        meta,
        content,
        to_levels(completion, meta.event_shape, levels=meta.levels, invert=False),
        read_mask(value.get("mask"), *meta.event_shape[-2:]),
        file,
        picture,
        None if picture is None else read_crop(value.get("crop"), picture.size, meta.event_shape),
        arguments.number("feather", value.get("feather"), 0, FEATHER),
        wanted(value),
    )


def look_inside(library: Library, value: Any) -> Value:
    """The photograph with its hole and filled in, small enough to be looked at."""
    chosen = read_gallery(library, value)
    shown = {"before": _small(chosen.with_hole()), "after": _small(chosen.pasted())}
    return {"inside": shown | {"selected": value["selected"], "feather": value["feather"]}}


def _small(picture: Image.Image) -> str:
    small = picture.copy()
    small.thumbnail((VIEW, VIEW))
    file = io.BytesIO()
    small.save(file, "JPEG", quality=90)
    return view.data_url(file.getvalue(), "image/jpeg")


def save_pasted(library: Library, value: Any) -> Value:
    """The photograph with the variant in it, as a file to be fetched: PNG is exact, JPEG smaller.

    The PNG says what made it, as the variant does, and where in it the model looked.
    """
    chosen = read_gallery(library, value)
    kind = arguments.choice("format", value.get("format"), ("png", "jpeg"))
    pasted, file = chosen.pasted(), io.BytesIO()
    if kind == "jpeg":
        pasted.save(file, "JPEG", quality=95, subsampling=0)
        content = file.getvalue()
    else:
        content = _signed_again(library, pasted, chosen)
    name = f"photo-filled-{value['selected']}.{kind}"
    return {"saved": {"path": files.save(content, name), "orig_name": name, "meta": arguments.UPLOAD}}


def _signed_again(library: Library, picture: Image.Image, variant: Chosen) -> bytes:
    text = find_recipe(variant.content)
    if text is None or variant.box is None:
        return png_bytes(picture)
    invert = None if variant.invert == "auto" else variant.invert
    return signed_png(picture, replace(read_recipe(library, text), crop=list(variant.box), invert=invert))


def use_as_input(library: Library, name: str, value: Any) -> Value:
    """A picture box with the chosen variant in it, in its photograph where it comes from one.

    Raises:
        FlowgenError: if the model now chosen sees pictures of another size, and there is no photograph.
    """
    chosen = read_gallery(library, value)
    hole = {"mask": value["mask"] if value.get("keep") else ""}
    if chosen.picture is None:
        meta, caption = arguments.model(library, name), f"variant #{value['selected']}"
        if meta.event_shape != chosen.meta.event_shape:
            raise FlowgenError(f"It was made for the size of {chosen.meta.name}: choose that model first.")
        return filled(chosen.levels, chosen.meta.levels, caption) | hole
    path = files.save(png_bytes(chosen.pasted()), "input.png")
    box = empty() | {"file": {"path": path, "meta": arguments.UPLOAD}, "crop": value["crop"]} | hole
    box |= {"invert": value.get("invert")}
    return see_again(library, name, box | {"picture": view.data_url(chosen.content)})


def connect_gallery(gallery: gr.HTML, box: gr.HTML, library: Library, model: gr.Dropdown) -> None:
    """Let a gallery show and save photographs, and give a variant to the picture box."""

    def inside(value: Any) -> Value:
        return _or_why_not(look_inside, library, value)

    def save(value: Any) -> Value:
        return _or_why_not(save_pasted, library, value)

    def use(name: str, value: Any) -> Value:
        return use_as_input(library, name, value)

    on_page(gallery.inside, inside, gallery, gallery, works=True)
    on_page(gallery.save, save, gallery, gallery, works=True)
    on_page(gallery.use, use, [model, gallery], box, works=True)


def _or_why_not(work: Callable[[Library, Any], Value], library: Library, value: Any) -> Value:
    known = value if isinstance(value, dict) else {}
    there = known | {"file": arguments.plain_upload(known.get("file")), "saved": None, "trouble": ""}
    try:
        return there | work(library, value)
    except FlowgenError as error:
        return there | {"inside": None, "trouble": str(error)}
