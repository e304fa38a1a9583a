"""What a model is shown of an upload, a frame on it, a sample, and a mask file."""

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from flowgen.data import Images
from flowgen.data.pictures import from_levels
from flowgen.errors import FlowgenError
from flowgen.library import Library
from flowgen.ui.look import or_why_not, read_crop, see_again, see_crop, see_mask, see_upload
from flowgen.ui.picture import empty, filled, read_box


@pytest.fixture
def library(checkpoints: Path) -> Library:
    return Library(checkpoints, device="cpu")


def uploaded(file: Path, key: str = "upload") -> dict[str, Any]:
    return empty() | {key: {"path": str(file), "meta": {"_type": "gradio.FileData"}}}


def test_the_hole_stays_with_its_upload_where_another_model_sees_it_as_large(library: Library, digit: Path) -> None:
    hole = "0" * 400 + "1" * 384
    painted = see_upload(library, "gray", uploaded(digit)) | {"mask": hole}
    again = see_again(library, "ordered", painted)
    assert again == painted
    larger = see_again(library, "colour", again)
    assert larger["picture"] != painted["picture"]
    assert larger["mask"] == ""


def test_a_bad_upload_leaves_the_picture_and_its_hole_and_says_why(
    library: Library, tmp_path: Path, digit: Path
) -> None:
    fake = tmp_path / "fake.png"
    fake.write_text("no picture")
    there = see_upload(library, "gray", uploaded(digit)) | {"mask": "0" * 400 + "1" * 384}
    value = or_why_not(see_upload, library, "gray", there | {"upload": uploaded(fake)["upload"]})
    assert "This is not a picture" in value["trouble"]
    assert {**value, "trouble": ""} == there | {"upload": None, "mask_file": None}
    better = or_why_not(see_upload, library, "gray", value | {"upload": uploaded(digit)["upload"]})
    assert better["trouble"] == ""


def test_a_lost_upload_is_not_shown_to_a_model_that_cannot_see_it(library: Library, tmp_path: Path) -> None:
    value = or_why_not(see_again, library, "colour", uploaded(tmp_path / "gone.png", "file"))
    assert "cannot be read" in value["trouble"]
    assert value["picture"] is None


@pytest.mark.parametrize(
    "crop",
    [
        None,
        "0 0 9 9",
        [0, 0, 28],
        [0, 0, 28, 28.5],
        [-1, 0, 27, 28],
        [0, 0, 101, 101],
        [10, 10, 10, 10],
        [20, 20, 10, 10],
        [0, 0, 50, 25],
        [0, 0, float("nan"), 28],
        [0, 0, 10**400, 28],
        [0, 0, True, 28],
    ],
)
def test_a_frame_out_of_order_is_refused(crop: Any) -> None:
    with pytest.raises(FlowgenError, match="crop must be"):
        read_crop(crop, (100, 80), (1, 28, 28))


def test_a_frame_chooses_what_is_seen(library: Library, tmp_path: Path, mnist: Images) -> None:
    sheet = Image.new("L", (100, 60))
    sheet.paste(from_levels(mnist.levels[0]), (70, 30))
    sheet.save(tmp_path / "sheet.png")
    seen = see_upload(library, "gray", uploaded(tmp_path / "sheet.png"))
    assert seen["crop"] == [20, 0, 80, 60]
    hole = "1" * 28 + "0" * 756
    moved = see_crop(library, "gray", seen | {"crop": [70, 30, 98, 58], "mask": hole})
    assert torch.equal(read_box(moved, (1, 28, 28), 256).levels, mnist.levels[0])
    assert moved["mask"] == hole
    assert see_again(library, "ordered", moved) == moved, "another model is shown the same part"


def test_a_mask_file_hides_what_the_same_mask_painted_does(library: Library, tmp_path: Path, digit: Path) -> None:
    with Image.open(digit) as picture:
        picture.resize((280, 200)).save(tmp_path / "large.png")
    seen = see_upload(library, "gray", uploaded(tmp_path / "large.png"))
    small = Image.new("L", (28, 28))
    small.paste(255, (3, 5, 20, 9))
    large = Image.new("L", (280, 200))  # the part in its middle is what the model sees, 200 pixels wide
    large.paste(255, (40 + round(3 * 200 / 28), round(5 * 200 / 28), 40 + round(20 * 200 / 28), round(9 * 200 / 28)))
    painted = "".join("1" if 5 <= y < 9 and 3 <= x < 20 else "0" for y in range(28) for x in range(28))
    small.save(tmp_path / "small.png")
    assert see_mask(library, "gray", seen | uploaded_mask(tmp_path / "small.png"))["mask"] == painted
    large.save(tmp_path / "mask.png")
    hidden = see_mask(library, "gray", seen | uploaded_mask(tmp_path / "mask.png"))["mask"]
    assert sum(a != b for a, b in zip(hidden, painted, strict=True)) <= 17 + 4, "up to the rounding of two edges"
    Image.new("L", (60, 60), 255).save(tmp_path / "other.png")
    value = or_why_not(see_mask, library, "gray", seen | uploaded_mask(tmp_path / "other.png"))
    assert "The mask is 60x60, but the picture 280x200" in value["trouble"]
    assert value["picture"] == seen["picture"]


def uploaded_mask(file: Path) -> dict[str, Any]:
    return {"mask_file": uploaded(file)["upload"]}


def test_a_sample_stays_with_its_hole_where_it_fits(library: Library, mnist: Images) -> None:
    value = filled(mnist.levels[0], 256, "a sample") | {"mask": "1" * 28 + "0" * 27 * 28}
    assert see_again(library, "ordered", value) == value
    assert see_again(library, "colour", value) == empty()
