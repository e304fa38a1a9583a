"""Uploads: what must simply work, and what must be refused in one sentence before it costs anything."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from flowgen.data.decoding import MAX_BYTES, MAX_PIXELS
from flowgen.data.pictures import from_levels, open_picture
from flowgen.errors import FlowgenError


def encoded(picture: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds no pixels: to refuse it for its size is to refuse it undecoded."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.fixture
def photo(cifar10_levels: Any) -> Image.Image:
    return from_levels(cifar10_levels[0])


@pytest.fixture
def corners() -> Image.Image:
    """Red, green, blue and white quarters, so that one sees how a picture is turned."""
    picture = Image.new("RGB", (40, 20), "white")
    for colour, corner in (("red", (0, 0)), ("lime", (20, 0)), ("blue", (0, 10))):
        picture.paste(colour, (*corner, corner[0] + 20, corner[1] + 10))
    return picture


def close(a: Image.Image, b: Image.Image, tolerance: float = 0) -> bool:
    if a.mode != b.mode or a.size != b.size:
        return False
    return bool(np.abs(np.asarray(a, float) - np.asarray(b, float)).mean() <= tolerance)


# What must work


@pytest.mark.parametrize(
    ("form", "tolerance"),
    [("PNG", 0), ("BMP", 0), ("TIFF", 0), ("PPM", 0), ("WEBP", 12), ("JPEG", 12), ("AVIF", 12), ("MPO", 12)],
)
def test_opens_the_usual_formats(photo: Image.Image, form: str, tolerance: float) -> None:
    assert close(open_picture(encoded(photo, form)), photo, tolerance)


def test_opens_a_phones_photograph_with_its_preview(photo: Image.Image) -> None:
    content = encoded(photo, "MPO", save_all=True, append_images=[photo.resize((16, 16))])
    assert Image.open(io.BytesIO(content)).is_animated
    assert close(open_picture(content), photo, 12)


def test_opens_paths_images_and_arrays_alike(photo: Image.Image, tmp_path: Path) -> None:
    photo.save(tmp_path / "photo.png")
    array = np.asarray(photo)
    for source in (tmp_path / "photo.png", str(tmp_path / "photo.png"), photo, array, array / np.float32(255)):
        assert close(open_picture(source), photo)
    assert close(open_picture(array[:, :, :1]), Image.fromarray(array[:, :, 0]))
    assert np.asarray(open_picture(np.eye(9, dtype=bool))).tolist() == (255 * np.eye(9)).tolist()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turns_as_exif_says(corners: Image.Image, orientation: int) -> None:
    turned_back = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = corners.transpose(turned_back[orientation]) if orientation > 1 else corners
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert close(open_picture(encoded(stored, "PNG", exif=exif)), corners)


def test_converts_cmyk(corners: Image.Image) -> None:
    opened = open_picture(encoded(corners.convert("CMYK"), "JPEG", quality=100, subsampling=0))
    assert close(opened, corners, 3)


def test_scales_sixteen_bits_and_does_not_clip() -> None:
    ramp = np.linspace(0, 65_535, 64 * 64).reshape(64, 64)
    expected = ramp / 257
    for form in ("PNG", "TIFF"):
        opened = np.asarray(open_picture(encoded(Image.fromarray(ramp.astype(np.uint16)), form)), float)
        assert np.abs(opened - expected).max() <= 1
    assert np.abs(np.asarray(open_picture(ramp.astype(np.uint16)), float) - expected).max() <= 1
    assert np.abs(np.asarray(open_picture(Image.fromarray(ramp.astype(np.int32))), float) - expected).max() <= 1
    assert np.abs(np.asarray(open_picture((ramp / 65_535).astype(np.float32)), float) - expected).max() <= 1


def test_opens_palettes(corners: Image.Image) -> None:
    palette = corners.quantize(4)
    assert close(open_picture(encoded(palette)), corners)
    assert close(open_picture(encoded(palette, "GIF")), corners)


def test_a_palettes_transparent_colour_becomes_background() -> None:
    picture = Image.new("P", (20, 20), 1)
    picture.putpalette([255, 0, 0, 0, 0, 0])
    picture.paste(0, (0, 0, 10, 20))
    for form in ("PNG", "GIF"):
        opened = open_picture(encoded(picture, form, transparency=0))
        assert opened.getpixel((2, 10)) == (255, 255, 255)
        assert opened.getpixel((15, 10)) == (0, 0, 0)


@pytest.mark.parametrize(("ink", "paper"), [("black", (255, 255, 255)), ("white", (0, 0, 0))])
def test_ink_on_nothing_stays_legible(ink: str, paper: tuple[int, int, int]) -> None:
    picture = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    picture.paste(ink, (10, 10, 30, 30))
    opened = open_picture(encoded(picture))
    assert opened.mode == "RGB"
    assert opened.getpixel((0, 0)) == paper
    assert opened.getpixel((20, 20)) == tuple(255 - value for value in paper)


def test_half_transparent_is_half_background() -> None:
    opened = open_picture(Image.new("RGBA", (10, 10), (0, 0, 0, 128)))
    assert opened.getpixel((5, 5)) == (127, 127, 127)
    assert open_picture(Image.new("LA", (10, 10), (0, 0))).getpixel((5, 5)) == (255, 255, 255)


def test_black_and_white_is_gray() -> None:
    assert open_picture(encoded(Image.new("1", (10, 10), 1))).getpixel((5, 5)) == 255


# What must be refused

SMALL = Image.new("L", (12, 12), "gray")


def animated(form: str) -> bytes:
    frames = [Image.new("RGB", (12, 12), colour) for colour in ("red", "lime", "blue")]
    return encoded(frames[0], form, save_all=True, append_images=frames[1:])


BAD = {
    "nothing": (b"", "not a picture"),
    "text": (b"<svg onload=alert(1)>", "not a picture"),
    "a pickle": (b"\x80\x04\x95\x00", "not a picture"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a picture"),
    "only a header": (encoded(SMALL)[:20], "cut off"),
    "a truncated PNG": (encoded(Image.effect_noise((64, 64), 90))[:2000], "damaged or cut off"),
    "a truncated JPEG": (encoded(Image.effect_noise((64, 64), 90), "JPEG")[:900], "damaged or cut off"),
    "a truncated GIF": (encoded(Image.effect_noise((64, 64), 90), "GIF")[:1500], "damaged or cut off"),
    "a PNG without its pixels": (encoded(SMALL).replace(b"IDAT", b"IDAX"), "cut off"),
    "an animated GIF": (animated("GIF"), "animated"),
    "an animated PNG": (animated("PNG"), "animated"),
    "an animated WebP": (animated("WEBP"), "animated"),
    "a TIFF of three pages": (animated("TIFF"), "several pages"),
    "1x1": (encoded(Image.new("L", (1, 1))), "1x1; it needs at least 8"),
    "30000x1": (encoded(Image.new("L", (30_000, 1))), "30000x1; no side may be longer than 20,000"),
    "1x30000": (encoded(Image.new("L", (1, 30_000))), "1x30000; no side may be longer"),
    "19999x7": (png_header(19_999, 7), "19999x7; it needs at least 8"),
    "41 million pixels": (png_header(6_403, 6_404), "41,004,812 pixels; the limit is 40,000,000"),
    "121 million pixels": (png_header(11_000, 11_000), "too many pixels|the limit is 40,000,000"),
    "400 million pixels": (png_header(20_000, 20_000), "the limit is 40,000,000"),
    "a size beyond reason": (png_header(2**31 - 1, 2**31 - 1), "the limit|no side|damaged"),
    "a file too large": (encoded(SMALL) + bytes(MAX_BYTES), "larger than 20 MB"),
}


@pytest.mark.parametrize("what", BAD)
def test_refuses_with_one_sentence(what: str) -> None:
    content, sentence = BAD[what]
    with pytest.raises(FlowgenError, match=sentence) as caught:
        open_picture(content)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


def test_the_largest_picture_allowed_opens() -> None:
    assert MAX_PIXELS == 8_000 * 5_000
    assert open_picture(Image.new("L", (8_000, 5_000))).size == (8_000, 5_000)


def test_a_page_that_takes_less_says_how_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500_000)
    with pytest.raises(FlowgenError, match="the limit is 1,000,000: scale it down"):
        open_picture(Image.new("L", (1_001, 1_000)))


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (np.zeros((9, 9, 2), np.uint8), "shape"),
        (np.zeros(9, np.uint8), "shape"),
        (np.full((9, 9), np.nan), "between 0 and 1"),
        (np.full((9, 9), 1.5), "between 0 and 1"),
        (np.full((9, 9), -1, np.int32), "between 0 and 65535"),
        (np.zeros((9, 9), np.int64), "int64"),
        (np.zeros((9, 9), np.complex64), "complex64"),
        (np.zeros((0, 9), np.uint8), "at least 8|damaged"),
    ],
)
def test_refuses_arrays_that_are_no_pictures(array: np.ndarray, sentence: str) -> None:
    with pytest.raises(FlowgenError, match=sentence):
        open_picture(array)


@pytest.mark.parametrize("make", [lambda path: path / "missing.png", lambda path: path])
def test_a_path_that_cannot_be_read_is_named_without_its_folders(make: Callable[[Path], Path], tmp_path: Path) -> None:
    with pytest.raises(FlowgenError, match="cannot be read") as caught:
        open_picture(make(tmp_path))
    assert str(tmp_path) not in str(caught.value)
