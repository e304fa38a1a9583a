"""Images as the page shows them: small PNGs in the HTML itself, so that results leave no files behind."""

import base64
import html
import io
from collections.abc import Sequence

import torch
from PIL import Image
from torch import Tensor

from flowgen.data.pictures import from_levels, grid, png_bytes

__all__ = [
    "animation",
    "blank",
    "data_url",
    "link",
    "moving",
    "note",
    "pair",
    "picture",
    "png",
    "results",
    "sheet",
    "status",
    "tile",
    "tiles",
    "verdict",
    "with_hole",
]

HOLE = (240, 87, 45)  # the colour of what is missing; the same in picture.js and style.css


def results(*parts: str) -> str:
    """A column of parts."""
    return f'<div class="fg-results">{"".join(parts)}</div>'


def blank(text: str) -> str:
    """What stands where results will be."""
    return f'<div class="fg-blank"><div>{html.escape(text)}</div></div>'


def note(text: str) -> str:
    """A short remark."""
    return f'<p class="fg-note">{html.escape(text)}</p>'


def status(text: str, fraction: float | None = None) -> str:
    """Where a run has got to, with a bar while it runs."""
    bar = "" if fraction is None else f'<div class="fg-bar"><i style="width:{100 * fraction:.1f}%"></i></div>'
    return f'{bar}<p class="fg-status" role="status">{html.escape(text)}</p>'


def data_url(content: bytes, mime: str = "image/png") -> str:
    """A file as an address that needs no request."""
    return f"data:{mime};base64," + base64.b64encode(content).decode()


def picture(content: bytes, alt: str, mime: str = "image/png") -> str:
    """An image, pixel for pixel."""
    return f'<img src="{data_url(content, mime)}" alt="{html.escape(alt, quote=True)}">'


def moving(film: bytes, still: bytes, alt: str, mime: str = "image/png") -> str:
    """An animation, or a still picture for those who asked their system for less motion."""
    source = f'<source media="(prefers-reduced-motion: reduce)" srcset="{data_url(still)}">'
    return f"<picture>{source}{picture(film, alt, mime)}</picture>"


def link(content: bytes, file_name: str, text: str, mime: str = "image/png") -> str:
    """A download that needs no request."""
    name = html.escape(file_name, quote=True)
    return f'<a href="{data_url(content, mime)}" download="{name}">{html.escape(text)}</a>'


def tile(
    content: bytes, caption: str, file_name: str | None = None, mime: str = "image/png", still: bytes | None = None
) -> str:
    """An image over its caption, with a link that saves it where it has a file name; a `still` one of what moves."""
    shown = picture(content, caption, mime) if still is None else moving(content, still, caption, mime)
    save = "" if file_name is None else link(content, file_name, mime.removeprefix("image/").upper(), mime)
    return f'<figure class="fg-tile">{shown}<figcaption><span>{html.escape(caption)}</span>{save}</figcaption></figure>'


def tiles(images: Sequence[bytes], captions: Sequence[str], file_names: Sequence[str], size: int = 80) -> str:
    """Images in rows, each at least `size` CSS pixels wide."""
    each = "".join(map(tile, images, captions, file_names))
    return f'<div class="fg-tiles" style="--tile:{size}px">{each}</div>'


def pair(before: bytes, after: bytes, caption: str = "after", file_name: str | None = None) -> str:
    """A picture with its hole, and without."""
    return f'<div class="fg-pair">{tile(before, "before")}{tile(after, caption, file_name)}</div>'


def verdict(text: str, mood: str, facts: Sequence[tuple[str, str]], advice: str = "") -> str:
    """A sentence that is to be seen first, and the figures behind it.

    Args:
        text: the sentence.
        mood: "is-good", "is-bad" or "is-other".
        facts: names and values.
        advice: what to make of it, if there is something to say.
    """
    figures = "".join(f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd></div>" for name, value in facts)
    listed = f"<dl>{figures}</dl>" if facts else ""
    more = f'<p class="advice">{html.escape(advice)}</p>' if advice else ""
    return f'<div class="fg-verdict {mood}"><p>{html.escape(text)}</p>{more}{listed}</div>'


def png(levels: Tensor, num_levels: int) -> bytes:
    """One image, (c, h, w) uint8, at its own size."""
    return png_bytes(from_levels(levels, num_levels))


def sheet(levels: Tensor, num_levels: int, columns: int | None = None) -> bytes:
    """Many images, (n, c, h, w) uint8, on one sheet."""
    return png_bytes(grid(levels, columns, levels=num_levels))


def with_hole(levels: Tensor, known: Tensor, num_levels: int) -> bytes:
    """An image, (c, h, w) uint8, with what is not known, (h, w) bool, in the colour of what is missing."""
    shown = from_levels(levels, num_levels).convert("RGB")
    hidden = from_levels((~known)[None].to(torch.uint8) * 255)
    shown.paste(HOLE, mask=hidden)
    return png_bytes(shown)


def animation(levels: Tensor, num_levels: int, milliseconds: int = 90, scale: int = 8) -> bytes:
    """Images, (n, c, h, w) uint8, there and back as an animated PNG, enlarged without smoothing."""
    frames = [from_levels(one, num_levels) for one in [*levels, *levels[1:-1].flip(0)]]
    large = [frame.resize((frame.width * scale, frame.height * scale), Image.Resampling.NEAREST) for frame in frames]
    file = io.BytesIO()
    large[0].save(file, "PNG", save_all=True, append_images=large[1:], duration=milliseconds, loop=0)
    return file.getvalue()
