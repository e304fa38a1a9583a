"""Pictures to the shape of a model and back: what the page and the command line read and write."""

import io
import math
from collections.abc import Mapping
from typing import Literal, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from flowgen.data.decoding import PictureSource, open_picture
from flowgen.errors import FlowgenError

__all__ = [
    "Box",
    "Fit",
    "PictureSource",
    "centred_box",
    "from_levels",
    "grid",
    "mask_to_known",
    "open_picture",
    "png_bytes",
    "scaled",
    "to_levels",
    "tones",
]

Fit = Literal["crop", "pad"]
Box = tuple[int, int, int, int]  # left, upper, right, lower

_Bytes = NDArray[np.uint8]
_Scalar = TypeVar("_Scalar", bound=np.generic)


def to_levels(
    picture: Image.Image,
    event_shape: tuple[int, ...],
    *,
    levels: int = 256,
    invert: bool | Literal["auto"] = "auto",
    fit: Fit = "crop",
    box: Box | None = None,
) -> Tensor:
    """The picture in the shape and the levels of a model: (c, h, w) uint8. One that has them already is not changed.

    Args:
        picture: as `open_picture` returns it.
        event_shape: (c, h, w), with c 1 (gray) or 3 (colour).
        levels: L; byte b becomes level floor(b L / 256).
        invert: True makes white black. "auto" does so for one channel where the border is bright: models of digits and
            clothes know light things on black, and a photograph of ink on paper is the opposite. It then also takes the
            paper, which no camera sees as evenly white, for black, and the darkest ink for white. For models of gray
            photographs, say False.
        fit: "crop" keeps the middle and fills the shape; "pad" keeps everything, and adds the colour of the border.
        box: the part to take, of the model's proportions and within the picture; the default is what `fit` says.
    """
    channels, height, width = event_shape
    mode = {1: "L", 3: "RGB"}.get(channels)
    if mode is None:
        raise FlowgenError(f"A picture has 1 or 3 channels, but the model has {channels}: it cannot take pictures.")
    box, size = (box, (width, height)) if box else _placement(picture.size, (width, height), fit)
    pixels = np.array(scaled(picture.crop(box).convert(mode), size)).reshape(size[1], size[0], channels)
    if invert == "auto":
        pixels = _in_tones(pixels, *_tones(pixels))
    elif invert:
        pixels = 255 - pixels
    pixels = _padded(pixels, height, width)
    return torch.from_numpy((pixels.astype(np.int32) * levels // 256).astype(np.uint8)).permute(2, 0, 1).contiguous()


def mask_to_known(
    mask: Image.Image,
    picture_size: tuple[int, int],
    event_shape: tuple[int, ...],
    *,
    fit: Fit = "crop",
    box: Box | None = None,
) -> Tensor:
    """Which of the model's pixels are known: (h, w) bool, False where the mask is white, anywhere within the pixel.

    What was painted over is filled in whole: a stroke narrower than a pixel of the model hides that pixel.

    Args:
        mask: white (at least half) is what to fill in; as large as the picture, or as what the model sees of it.
        picture_size: (width, height) of the picture it belongs to, before that was brought to the model's shape.
        event_shape: (c, h, w) of the model.
        fit, box: as for the picture.

    Raises:
        FlowgenError: the mask has another size than the picture, marks nothing, or everything.
    """
    height, width = event_shape[-2:]
    if mask.size == (width, height):
        picture_size, box = mask.size, None
    if mask.size != picture_size:
        mask_side, side = ("x".join(map(str, size)) for size in (mask.size, picture_size))
        raise FlowgenError(
            f"The mask is {mask_side}, but the picture {side}: make it as large, or {width}x{height} for what the model "
            "sees."
        )
    box, size = (box, (width, height)) if box else _placement(picture_size, (width, height), fit)
    white = mask.crop(box).convert("L").point([0] * 128 + [255] * 128)
    touched = np.asarray(white.convert("F").resize(size, Image.Resampling.BOX)) > 0
    hidden = _centred(touched, np.zeros((height, width), bool))
    if not hidden.any():
        raise FlowgenError(
            "The mask marks nothing to fill in: paint over a part of the picture (white, in a mask file)."
        )
    if hidden.all():
        raise FlowgenError("The mask covers everything, so that nothing is known: leave a part of the picture free.")
    return torch.from_numpy(~hidden)


def from_levels(k: Tensor, levels: int = 256) -> Image.Image:
    """The picture of one image, (c, h, w) uint8: gray for one channel, RGB for three; level L - 1 is white."""
    pixels = k.detach().cpu().permute(1, 2, 0).numpy()
    if levels != 256:
        pixels = np.rint(pixels * (255 / (levels - 1))).astype(np.uint8)
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


def grid(k: Tensor, columns: int | None = None, padding: int = 2, levels: int = 256) -> Image.Image:
    """The picture of many images, (n, c, h, w) uint8, row by row on white; as square as n allows unless told."""
    number, channels, height, width = k.shape
    if number == 0:
        raise FlowgenError("There are no images to show: ask for at least one.")
    columns = min(number, columns or math.ceil(math.sqrt(number)))
    rows = math.ceil(number / columns)
    sheet = Image.new(
        "L" if channels == 1 else "RGB",
        (columns * (width + padding) - padding, rows * (height + padding) - padding),
        "white",
    )
    for i, image in enumerate(k):
        row, column = divmod(i, columns)
        sheet.paste(from_levels(image, levels), (column * (width + padding), row * (height + padding)))
    return sheet


def png_bytes(picture: Image.Image, text: Mapping[str, str] | None = None) -> bytes:
    """The picture as a PNG file, with the given texts as its tEXt entries."""
    info = PngInfo()
    for key, value in (text or {}).items():
        info.add_itxt(key, value)
    file = io.BytesIO()
    picture.save(file, "PNG", pnginfo=info)
    return file.getvalue()


def centred_box(size: tuple[int, int], event_shape: tuple[int, ...]) -> Box:
    """The largest part of a picture of this (width, height) that has a model's proportions, in its middle."""
    return _placement(size, (event_shape[-1], event_shape[-2]), "crop")[0]


def tones(picture: Image.Image, event_shape: tuple[int, ...], *, box: Box | None = None) -> tuple[float, float]:
    """The luminances that `to_levels` takes for black and for white: 0 and 255, or those of the paper and of the ink."""
    channels, height, width = event_shape
    if channels != 1:
        return 0.0, 255.0
    part = picture.crop(box or centred_box(picture.size, event_shape))
    return _tones(np.array(scaled(part.convert("L"), (width, height)))[:, :, None])


def scaled(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The picture at a size: by the mean of what a pixel covers where it shrinks, by Lanczos where it grows.

    A sharper filter rings when it shrinks: a faint wave on the black around a digit, which no eye sees, costs a model
    of digits twice the bits. A whole factor is taken exactly, so that an enlarged image comes back byte for byte.
    """
    across, down = picture.width / size[0], picture.height / size[1]
    if across.is_integer() and down.is_integer():
        return picture.reduce((int(across), int(down)))
    shrinks = across >= 1 and down >= 1
    return picture.resize(size, Image.Resampling.BOX if shrinks else Image.Resampling.LANCZOS)


def _placement(source: tuple[int, int], target: tuple[int, int], fit: Fit) -> tuple[Box, tuple[int, int]]:
    """The box (left, upper, right, lower) to take from the source, and the size (width, height) to bring it to."""
    scales = [wanted / given for given, wanted in zip(source, target, strict=True)]
    if fit == "pad":
        width, height = (max(1, round(side * min(scales))) for side in source)
        return (0, 0, *source), (width, height)
    kept_width, kept_height = (max(1, round(wanted / max(scales))) for wanted in target)
    left, upper = (source[0] - kept_width) // 2, (source[1] - kept_height) // 2
    return (left, upper, left + kept_width, upper + kept_height), target


def _padded(pixels: _Bytes, height: int, width: int) -> _Bytes:
    """Pixels (h, w, c) in the middle of a canvas in the colour of their border."""
    canvas = np.empty((height, width, pixels.shape[2]), np.uint8)
    canvas[:] = np.median(_border(pixels), axis=0)
    return _centred(pixels, canvas)


def _centred(part: NDArray[_Scalar], canvas: NDArray[_Scalar]) -> NDArray[_Scalar]:
    top, left = (canvas.shape[0] - part.shape[0]) // 2, (canvas.shape[1] - part.shape[1]) // 2
    canvas[top : top + part.shape[0], left : left + part.shape[1]] = part
    return canvas


def _border(pixels: _Bytes) -> _Bytes:
    """The outermost pixels, (n, c)."""
    return np.concatenate([pixels[0], pixels[-1], pixels[1:-1, 0], pixels[1:-1, -1]])


def _has_bright_border(pixels: _Bytes) -> bool:
    return bool(np.median(_border(pixels)) > 127)


def _tones(pixels: _Bytes) -> tuple[float, float]:
    """What counts as black and as white in pixels (h, w, c): for one channel with a bright border, paper and ink."""
    if pixels.shape[2] != 1 or not _has_bright_border(pixels):
        return 0.0, 255.0
    paper = float(np.percentile(_border(pixels), 10))
    return paper, min(float(pixels.min()), paper - 1)


def _in_tones(pixels: _Bytes, black: float, white: float) -> _Bytes:
    """Pixels on a scale where `black` is 0 and `white` 255, which leaves those of the whole range as they are."""
    share = (pixels - black) / (white - black)
    stretched: _Bytes = np.rint(255 * share.clip(0, 1)).astype(np.uint8)
    return stretched
