"""A completion pasted back into the picture that it was made for, at that picture's full resolution.

A pixel of the model covers a block of the picture's. Those of the hidden blocks are the completion's, enlarged; with a
feather the completion fades out over a band around them; all others are the picture's own, byte for byte.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from flowgen.data.pictures import Box, Invert, from_levels, scaled, tones

__all__ = ["blend", "paste_back"]

_Floats = NDArray[np.float32]
_PROFILES = {"L": b"GRAY", "RGB": b"RGB "}  # the colour space that a profile names, by the mode that it serves


def paste_back(
    picture: Image.Image,
    box: Box,
    completion: Tensor,
    known: Tensor,
    *,
    levels: int = 256,
    feather: float = 0.0,
    invert: Invert = "auto",
) -> Image.Image:
    """The picture with its hidden part filled in, in its own mode and size.

    What a gray model saw inverted, as light ink on black, goes back as ink on paper; and into a colour picture goes its
    gray in the colours that this picture has there.

    Args:
        picture: as `open_picture` returns it, mode L or RGB.
        box: the part that the model saw.
        completion: (c, h, w) uint8, what the model made of it.
        known: (h, w) bool, False where the completion is wanted.
        levels: values a pixel of the model takes.
        feather: width of the band, in pixels of the model.
        invert: as `to_levels` was told, when the model was shown the picture.
    """
    left, upper, right, lower = box
    size = (right - left, lower - upper)
    mask = Image.fromarray(np.rint(255 * blend(known, size, feather)).astype(np.uint8))
    pasted = picture.copy()
    changed = mask.getbbox()
    if changed is not None:
        small = _in_colours_of(picture, box, completion, known, levels, invert)
        across, down = small.width / size[0], small.height / size[1]
        part = (changed[0] * across, changed[1] * down, changed[2] * across, changed[3] * down)
        large = (changed[2] - changed[0], changed[3] - changed[1])
        fill = small.resize(large, Image.Resampling.BILINEAR, box=part)  # a sharper filter rings on the paper
        pasted.paste(fill, (left + changed[0], upper + changed[1]), mask.crop(changed))
    pasted.info = _profile(picture)
    return pasted


def blend(known: Tensor, size: tuple[int, int], feather: float = 0.0) -> _Floats:
    """The completion's share of each pixel: 1 in a hidden block, 1 - d / feather at a distance d from the nearest.

    Args:
        known: (h, w) bool.
        size: (width, height) of the part of the picture that it is spread over.
        feather: in pixels of the model; from this distance on, the share is 0.

    Returns:
        (height, width) float32 in [0, 1].
    """
    hidden = ~known.numpy()
    down, along = (_middles(count, length) for count, length in zip(hidden.shape, size[::-1], strict=True))
    if feather <= 0:
        inside: _Floats = hidden[down.astype(int)][:, along.astype(int)].astype(np.float32)
        return inside
    rows, columns = (_distances(count, at) for count, at in zip(hidden.shape, (down, along), strict=True))
    nearest = np.full(size[::-1], np.inf, np.float32)
    for row, away in zip(hidden, rows, strict=True):  # the distance to a block is that by rows and that by columns
        near = away < feather
        if row.any() and near.any():
            across = columns[row].min(0)
            squared = away[near, None] ** 2 + across[None] ** 2
            nearest[near] = np.minimum(nearest[near], squared)
    return (1 - np.sqrt(nearest) / np.float32(feather)).clip(0, 1)


def _middles(count: int, length: int) -> _Floats:
    """Where the middles of `length` pixels are along `count` blocks."""
    return (np.arange(length, dtype=np.float32) + 0.5) * np.float32(count / length)


def _distances(count: int, middles: _Floats) -> _Floats:
    """How far each middle is from each block, in blocks, (blocks, pixels); 0 where it is in it."""
    blocks = np.arange(count, dtype=np.float32)[:, None]
    outside: _Floats = np.maximum(blocks - middles, middles - (blocks + 1)).clip(0, None)
    return outside


def _in_colours_of(
    picture: Image.Image,
    box: Box,
    completion: Tensor,
    known: Tensor,
    levels: int,
    invert: Invert,
) -> Image.Image:
    """The completion at its own size, as a part of the picture."""
    shown = from_levels(completion, levels)
    if shown.mode == "RGB":
        return shown.convert(picture.mode)
    black, white = tones(picture, tuple(completion.shape), box=box, invert=invert)
    light = black + np.asarray(shown, float) * ((white - black) / 255)
    if picture.mode == "L":
        return Image.fromarray(np.rint(light).clip(0, 255).astype(np.uint8))
    seen = scaled(picture.crop(box), shown.size)
    return _tinted(light, np.asarray(seen, float), np.asarray(seen.convert("L"), float), known.numpy())


def _tinted(
    light: NDArray[np.float64], colours: NDArray[np.float64], luminance: NDArray[np.float64], known: NDArray[np.bool_]
) -> Image.Image:
    """Luminances (h, w) as colours: what each channel has beyond the luminance is its linear trend where it is known."""
    beyond, at = (colours - luminance[..., None])[known], luminance[known]
    middle = at.mean() if len(at) else 0.0
    spread = ((at - middle) ** 2).sum()
    slope = ((at - middle)[:, None] * beyond).sum(0) / max(spread, 1.0)
    offset = beyond.mean(0) if len(at) else 0.0
    pixels = light[..., None] + offset + slope * (light - middle)[..., None]
    return Image.fromarray(np.rint(pixels).clip(0, 255).astype(np.uint8))


def _profile(picture: Image.Image) -> dict[str | tuple[int, int], Any]:
    """The colour profile, which says what the bytes mean; no other metadata goes along."""
    profile = picture.info.get("icc_profile")
    fits = isinstance(profile, bytes) and profile[16:20] == _PROFILES[picture.mode]
    return {"icc_profile": profile} if fits else {}
