"""Opening a picture that a stranger sent: refused before it is decoded, or opened upright, opaque and in eight bits."""

import io
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from flowgen.errors import FlowgenError

__all__ = ["MAX_BYTES", "MAX_PIXELS", "MAX_SIDE", "MIN_SIDE", "PictureSource", "open_picture"]

PictureSource = str | os.PathLike[str] | bytes | Image.Image | NDArray[np.generic]

MAX_BYTES = 20 * 2**20
MAX_PIXELS = 40_000_000
MAX_SIDE = 20_000
MIN_SIDE = 8

# Formats whose reader stops at the header until it is asked for pixels; no PostScript and no other programs.
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF")
_BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)
_DEEP_MODES = ("I", "I;16", "I;16B", "I;16L", "I;16N", "F")


def open_picture(source: PictureSource) -> Image.Image:
    """The picture as one sees it, in mode L or RGB: turned as its EXIF says, transparency filled, 16 bits scaled to 8.

    Transparent parts become white, or black where what can be seen is bright: white ink on nothing stays legible.

    Args:
        source: a file's path, its contents, an open Pillow image, or an array (h, w) or (h, w, 1, 3 or 4) of bools,
            uint8, uint16, or floats in [0, 1].

    Raises:
        FlowgenError: not a picture, damaged, animated, of more than MAX_BYTES or MAX_PIXELS, or with a side longer than
            MAX_SIDE or shorter than MIN_SIDE. Sizes and frames are read from the header: nothing is decoded before.
    """
    try:
        picture = _identified(source)
        _check_size(picture)
        _check_still(picture)
        return _as_seen(picture)
    except FlowgenError:
        raise
    except _BOMBS as error:
        raise FlowgenError(f"The picture has too many pixels; the limit is {_most():,}: scale it down.") from error
    except Exception as error:  # decoders raise whatever a damaged file leads them to
        raise FlowgenError("The picture is damaged or cut off: save it anew, or choose another.") from error


def _identified(source: PictureSource) -> Image.Image:
    """The source as a Pillow image whose pixels, if it comes from a file, are not decoded yet."""
    if isinstance(source, Image.Image):
        return source
    if isinstance(source, np.ndarray):
        return Image.fromarray(_to_eight_bits(source))
    content = source if isinstance(source, bytes) else _read(Path(source))
    if len(content) > MAX_BYTES:
        raise FlowgenError(f"The picture's file is larger than {MAX_BYTES // 2**20} MB: scale the picture down.")
    try:
        return Image.open(io.BytesIO(content), formats=_FORMATS)
    except UnidentifiedImageError as error:
        raise FlowgenError(f"This is not a picture, or is cut off: send one of {', '.join(_FORMATS)}.") from error


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise FlowgenError(f"{path.name!r} cannot be read: give an image file that exists.") from error


def _check_size(picture: Image.Image) -> None:
    width, height = picture.size
    if max(width, height) > MAX_SIDE:
        raise FlowgenError(f"The picture is {width}x{height}; no side may be longer than {MAX_SIDE:,} pixels: crop it.")
    if min(width, height) < MIN_SIDE:
        raise FlowgenError(
            f"The picture is {width}x{height}; it needs at least {MIN_SIDE} pixels a side: send a larger one."
        )
    if width * height > (most := _most()):
        raise FlowgenError(
            f"The picture is {width}x{height}, {width * height:,} pixels; the limit is {most:,}: scale it down."
        )


def _most() -> int:
    """The most pixels: MAX_PIXELS, or fewer where Pillow, which raises at twice its own limit, is set to less."""
    return min(MAX_PIXELS, 2 * (Image.MAX_IMAGE_PIXELS or MAX_PIXELS))


def _check_still(picture: Image.Image) -> None:
    """Refuse animations and pages; an MPO is a phone's photograph with a preview behind it, and still."""
    if getattr(picture, "is_animated", False) and picture.format != "MPO":
        raise FlowgenError("The picture is animated or has several pages: send one frame of it.")


def _as_seen(picture: Image.Image) -> Image.Image:
    upright = ImageOps.exif_transpose(picture)
    if upright.mode in _DEEP_MODES:
        return Image.fromarray(_to_eight_bits(np.asarray(upright)))
    if upright.has_transparency_data:
        return _on_background(upright.convert("RGBA"))
    if upright.mode in ("1", "L"):
        return upright.convert("L")
    return upright.convert("RGB")


def _on_background(picture: Image.Image) -> Image.Image:
    """An RGBA picture on white, or on black where its visible parts are bright."""
    luminance, alpha = np.moveaxis(
        np.asarray(picture.resize((64, 64), Image.Resampling.BOX).convert("LA"), float), -1, 0
    )
    bright = (luminance * alpha).sum() > 127.5 * alpha.sum()
    background = Image.new("RGBA", picture.size, "black" if bright else "white")
    return Image.alpha_composite(background, picture).convert("RGB")


def _to_eight_bits(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Bools, 16-bit integers and floats in [0, 1] on the scale 0..255, rounded; (h, w, 1) as (h, w)."""
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[:, :, 0]
    if values.ndim not in (2, 3) or (values.ndim == 3 and values.shape[2] not in (3, 4)):
        raise FlowgenError(f"An array of shape {values.shape} is not a picture: it must be (h, w), or (h, w, 3 or 4).")
    if values.dtype == np.uint8:
        return values.astype(np.uint8)
    top = _white(values)
    if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= top):
        raise FlowgenError(f"The picture's values must be numbers between 0 and {top}: scale them.")
    eight_bits: NDArray[np.uint8] = np.rint(values.astype(np.float32) * np.float32(255 / top)).astype(np.uint8)
    return eight_bits


def _white(values: NDArray[np.generic]) -> int:
    """The value that stands for white in an array of this type; 32-bit integers are how Pillow holds 16 bits."""
    if values.dtype.kind in "bf":
        return 1
    if (values.dtype.kind, values.dtype.itemsize) in (("u", 2), ("i", 4)):
        return 65_535
    raise FlowgenError(f"An array of {values.dtype} is not a picture: use uint8, uint16, bool, or floats in [0, 1].")
