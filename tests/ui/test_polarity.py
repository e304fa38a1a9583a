"""Light and dark: guessed, said, and turned round by the visitor, on the way in and on the way back."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from flowgen.data import Images
from flowgen.data.pictures import from_levels, open_picture
from flowgen.library import Library
from flowgen.ui.gallery import save_pasted
from flowgen.ui.look import or_why_not, see_again, see_crop, see_swapped, see_upload
from flowgen.ui.picture import read_source

from .test_gallery import Value, bytes_of, levels_of, uploaded

HALF = "0" * 392 + "1" * 392


@pytest.fixture(scope="module")
def library(checkpoints: Path) -> Library:
    return Library(checkpoints, device="cpu")


@pytest.fixture(params=["ink on paper", "light on black"])
def upload(request: Any, mnist: Images, tmp_path: Path) -> Path:
    digit = from_levels(mnist.levels[0]).resize((280, 280), Image.Resampling.BILINEAR)
    if request.param == "ink on paper":
        digit = ImageOps.invert(digit)
    Image.merge("RGB", [digit.point(lambda v, t=top: v * t // 255) for top in (250, 240, 220)]).save(tmp_path / "x.png")
    return tmp_path / "x.png"


def seen(library: Library, file: Path, swaps: int, model: str = "gray") -> Value:
    box = or_why_not(see_upload, library, model, uploaded(file)) | {"mask": HALF}
    for _ in range(swaps):
        box = or_why_not(see_swapped, library, model, box)
    return box


def test_the_guess_is_said_and_turned_round_and_back(library: Library, upload: Path) -> None:
    boxes = [seen(library, upload, swaps) for swaps in range(3)]
    guess = np.asarray(open_picture(upload))[0].mean() > 127
    assert [box["inverted"] for box in boxes] == [guess, not guess, guess]
    assert [box["invert"] for box in boxes] == [None, not guess, None]
    assert boxes[2] == boxes[0]
    first, turned = (levels_of(box["picture"])[:2].mean() for box in boxes[:2])
    assert first < 10
    assert turned > 230, "the border is as bright as the paper"
    assert ("inverted, as this model knows light strokes on black" in boxes[0]["remark"]) == guess
    assert "as you chose" in boxes[1]["remark"]
    assert all(box["mask"] == HALF and "anything else it will see as a digit" in box["remark"] for box in boxes)


def test_the_choice_stands_in_another_part_to_another_model_and_in_a_score(library: Library, upload: Path) -> None:
    turned = seen(library, upload, 1)
    part = see_crop(library, "gray", turned | {"crop": [0, 0, 140, 140]})
    assert (part["invert"], part["inverted"]) == (turned["invert"], turned["inverted"])
    assert levels_of(part["picture"])[0].mean() > 230
    colour = see_again(library, "colour", turned)
    assert (colour["invert"], colour["inverted"]) == (turned["invert"], None)
    untouched = seen(library, upload, 0, "colour")
    assert colour["picture"] == untouched["picture"], "what is white in colours stays white"
    assert see_again(library, "ordered", colour)["picture"] == turned["picture"]
    assert read_source(turned)[1] is turned["invert"]
    assert read_source(seen(library, upload, 0))[1] == "auto"


@pytest.mark.parametrize("swaps", [0, 1])
def test_pasted_back_it_is_the_right_way_round_and_restored_as_it_was_seen(
    library: Library, upload: Path, swaps: int
) -> None:
    box = seen(library, upload, swaps)
    gallery = box | {"model": "gray", "variants": [box["picture"]], "selected": 0, "feather": 0, "format": "png"}
    saved = Path(save_pasted(library, gallery)["saved"]["path"])
    before, after = (np.asarray(open_picture(path)).astype(int) for path in (upload, saved))
    assert np.abs(before - after)[140:].mean() < 12, "what the model saw is what was there"
    assert np.array_equal(before[:140], after[:140])


@pytest.mark.parametrize("lie", ["yes", 1, [], {"a": 1}])
def test_anything_else_than_a_choice_is_none(library: Library, upload: Path, lie: Any) -> None:
    box = seen(library, upload, 0)
    assert see_crop(library, "gray", box | {"invert": lie}) == see_crop(library, "gray", box)


def test_without_its_upload_it_cannot_be_turned(library: Library, upload: Path) -> None:
    box = seen(library, upload, 0)
    gone = or_why_not(see_swapped, library, "gray", box | {"file": None})
    assert gone["picture"] == box["picture"]
    assert "upload an image file" in gone["trouble"]
    assert bytes_of(gone["picture"])
