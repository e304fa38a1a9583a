"""Uploads as no program writes them: whatever the bytes, a tensor or a sentence, soon, and without eating memory.

Each is a picture of one of nine formats, mutated as files are on purpose and by accident, taken all the way from bytes to
what a model sees, as picture and as mask.
"""

import io
import time
from functools import cache

import numpy as np
import psutil
import pytest
import torch
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from PIL import Image

from flowgen.data.pictures import mask_to_known, open_picture, to_levels
from flowgen.errors import FlowgenError

SHAPES = [(1, 28, 28), (3, 32, 32)]
MOST_SECONDS, MOST_GROWTH = 2.0, 500 * 2**20
FORMS = [
    ("PNG", "L", {}), ("PNG", "P", {}), ("PNG", "I;16", {}), ("PNG", "RGBA", {"compress_level": 0}), ("JPEG", "RGB", {}),
    ("JPEG", "CMYK", {"progressive": True}), ("WEBP", "RGBA", {}), ("WEBP", "RGB", {"lossless": True}), ("GIF", "P", {}),
    ("BMP", "RGB", {}), ("TIFF", "1", {"compression": "group4"}), ("TIFF", "RGB", {"compression": "tiff_lzw"}),
    ("PPM", "RGB", {}), ("AVIF", "RGB", {}),
]  # fmt: skip
INTERESTING = [b"\x00", b"\xff", b"\x7f", b"\x80", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x00\x00\x00\x00", b"\x01\x00"]


@cache
def originals() -> tuple[bytes, ...]:
    values = np.random.default_rng(0).integers(0, 256, (40, 33, 3), dtype=np.uint8)
    picture, files = Image.fromarray(values), []
    for form, mode, options in FORMS:
        file = io.BytesIO()
        deep = Image.fromarray(values[..., 0].astype(np.uint16) * 257)
        (deep if mode == "I;16" else picture.convert(mode)).save(file, form, **options)
        files.append(file.getvalue())
    return tuple(files)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A file with a few bytes set, cut out, put in or moved, most of them in its header."""
    content = bytearray(draw(st.sampled_from(originals())))
    for _ in range(draw(st.integers(1, 8))):
        reach = min(64, len(content)) if draw(st.booleans()) else len(content)
        at = draw(st.integers(0, max(reach - 1, 0)))
        how = draw(st.sampled_from(["set", "flip", "cut", "put", "end", "twice"]))
        value = draw(st.sampled_from(INTERESTING) | st.binary(min_size=1, max_size=8))
        if how == "set":
            content[at : at + len(value)] = value
        elif how == "flip" and content:
            content[at] ^= 1 << draw(st.integers(0, 7))
        elif how == "cut":
            del content[at : at + draw(st.integers(1, 64))]
        elif how == "put":
            content[at:at] = value
        elif how == "end":
            del content[max(at, 1) :]
        else:
            content[at:at] = content[at : at + 200]
    return bytes(content)


def taken(content: bytes) -> str:
    """From bytes to what the models see; every stage may say no, in a sentence."""
    try:
        picture = open_picture(content)
    except FlowgenError as error:
        assert str(error).endswith(".")
        assert len(str(error)) < 300
        return "refused"
    for shape in SHAPES:
        levels = to_levels(picture, shape)
        assert levels.shape == shape
        assert levels.dtype == torch.uint8
        try:
            known = mask_to_known(picture, picture.size, shape)
        except FlowgenError:
            continue
        assert known.shape == shape[1:]
        assert 0 < int(known.sum()) < known.numel()
    return "taken"


def resident() -> int:
    return int(psutil.Process().memory_info().rss)


def hold_to_the_limits(number: int) -> None:
    """So many mutated files; the slowest and the growth are measured over all of them."""
    taken(originals()[0])
    before, slowest = resident(), 0.0
    outcomes: dict[str, int] = {"taken": 0, "refused": 0}

    @seed(0)
    @settings(max_examples=number, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(mutated())
    def every_file(content: bytes) -> None:
        nonlocal slowest
        started = time.process_time()
        outcomes[taken(content)] += 1
        slowest = max(slowest, time.process_time() - started)

    every_file()
    assert min(outcomes.values()) > number // 20, outcomes
    assert slowest < MOST_SECONDS
    assert resident() - before < MOST_GROWTH


def test_originals_are_taken() -> None:
    assert [taken(content) for content in originals()] == ["taken"] * len(FORMS)


@pytest.mark.filterwarnings("ignore")  # as in a server, where what Pillow warns of is no error
def test_300_mutated_uploads() -> None:
    hold_to_the_limits(300)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # as in a server, where what Pillow warns of is no error
def test_10000_mutated_uploads() -> None:
    hold_to_the_limits(10_000)
