"""What the variants of a run are good for: a recipe in the file, a place in the photograph, a next input."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from flowgen.data import Images
from flowgen.data.paste import blend
from flowgen.data.pictures import from_levels, open_picture, png_bytes
from flowgen.errors import FlowgenError
from flowgen.library import Library
from flowgen.ui import filling, inpaint, view
from flowgen.ui.gallery import look_inside, read_gallery, save_pasted, use_as_input
from flowgen.ui.look import or_why_not, see_crop, see_upload
from flowgen.ui.picture import empty, filled, read_box, read_mask
from flowgen.ui.recipe import LONGEST, find_recipe, read_recipe, signed_png

HOLE = "".join("1" if 12 <= y < 20 and 10 <= x < 22 else "0" for y in range(32) for x in range(32))
ASKED = {"num": 3, "steps": 5, "seed": 7}
Value = dict[str, Any]


@pytest.fixture(scope="module")
def library(checkpoints: Path) -> Library:
    return Library(checkpoints, device="cpu")


def fill_in(library: Library, box: Value, model: str = "colour") -> Value:
    *_, (_, gallery) = filling.show(
        library, model, box, "langevin", dict(ASKED), {"step_size": 0.02}, check=lambda: None
    )
    assert gallery is not None
    return gallery


def uploaded(file: Path) -> Value:
    return empty() | {"upload": {"path": str(file), "meta": {"_type": "gradio.FileData"}}, "mask_file": None}


def photograph() -> Image.Image:
    """Noise, so that one changed pixel is seen; larger than it is wide."""
    return Image.fromarray(np.random.default_rng(3).integers(0, 256, (500, 400, 3), np.uint8))


@pytest.fixture(scope="module")
def of_photo(library: Library, tmp_path_factory: pytest.TempPathFactory) -> Value:
    """The gallery of a part of a photograph, [40, 100, 360, 420]."""
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    photograph().save(path)
    seen = see_upload(library, "colour", uploaded(path)) | {"crop": [40, 100, 360, 420]}
    return fill_in(library, see_crop(library, "colour", seen) | {"mask": HOLE})


@pytest.fixture(scope="module")
def of_sample(library: Library, cifar10: Images) -> Value:
    return fill_in(library, filled(cifar10.levels[0], 256, "a sample") | {"mask": HOLE})


def bytes_of(url: str) -> bytes:
    return base64.b64decode(url.partition(",")[2])


def levels_of(url: str) -> np.ndarray:
    return np.asarray(open_picture(bytes_of(url)))


def test_a_variant_says_what_made_it_and_that_makes_it_again(library: Library, of_sample: Value) -> None:
    text = find_recipe(bytes_of(of_sample["variants"][2]))
    recipe = read_recipe(library, text)
    assert (recipe.model, recipe.method, recipe.index, recipe.mask) == ("colour", "langevin", 2, HOLE)
    assert {"num": recipe.num, "steps": recipe.steps, "seed": recipe.seed} == ASKED
    assert recipe.options["step_size"] == 0.02
    assert recipe.model_sha256 == library.fingerprint("colour")
    picture = filled(recipe.levels((3, 32, 32), 256), 256, "") | {"mask": recipe.mask}
    assert fill_in(library, picture)["variants"] == of_sample["variants"], "byte for byte"


def test_dropped_on_the_picture_it_restores_picture_hole_and_settings(
    library: Library, of_sample: Value, cifar10: Images, tmp_path: Path
) -> None:
    (tmp_path / "filled.png").write_bytes(bytes_of(of_sample["variants"][1]))
    seen = or_why_not(see_upload, library, "gray", uploaded(tmp_path / "filled.png"))  # whatever model is chosen
    assert torch.equal(read_box(seen, (3, 32, 32), 256).levels, cifar10.levels[0])
    assert (seen["mask"], seen["trouble"], seen["file"]) == (HOLE, "", None)
    asked = inpaint.asked_of(library, seen)
    assert {name: asked[name] for name in ("model", "method", "num", "steps", "seed")} == {
        "model": "colour", "method": "langevin", **ASKED,
    }  # fmt: skip
    assert asked["langevin.step_size"] == 0.02
    assert inpaint.asked_of(library, empty()) == {}


def test_a_model_that_changed_since_is_said(library: Library, of_sample: Value, tmp_path: Path) -> None:
    content = bytes_of(of_sample["variants"][0])
    found = json.loads(find_recipe(content) or "") | {"model_sha256": "0" * 64}
    (tmp_path / "old.png").write_bytes(png_bytes(open_picture(content), {"flowgen": json.dumps(found)}))
    assert "has changed since" in or_why_not(see_upload, library, "colour", uploaded(tmp_path / "old.png"))["trouble"]


def changed(**entries: Any) -> Callable[[Value], str]:
    return lambda recipe: json.dumps(recipe | entries)


BIG = base64.b64encode(png_bytes(Image.new("1", (6000, 6000)))).decode()
HOSTILE = {
    "no JSON": lambda _: "model=colour",
    "a list": lambda _: "[]",
    "a missing key": lambda recipe: json.dumps({key: recipe[key] for key in recipe if key != "mask"}),
    "one too many": changed(path="/etc/passwd"),
    "too deep": lambda _: "[" * 100_000,
    "too long": lambda recipe: json.dumps(recipe) + " " * LONGEST,
    "another model": changed(model="../gray"),
    "a list for a model": changed(model=["colour"]),
    "another method": changed(method="in_order"),
    "no method": changed(method=None),
    "negative steps": changed(steps=-1),
    "endless steps": changed(steps=10**9),
    "steps that are no number": changed(steps=float("nan")),
    "a seed that no float holds": changed(seed=10**400),
    "too many variants": changed(num=10_000),
    "an index beyond": changed(index=16),
    "an unknown option": changed(options={"__class__": 1}),
    "an option out of range": changed(options={"step_size": -1.0}),
    "an infinite option": changed(options={"step_size": float("inf")}),
    "an option that no float holds": changed(options={"step_size": 10**400}),
    "options that are none": changed(options=[1]),
    "a short mask": changed(mask="01"),
    "a mask of other marks": changed(mask="x" * 1024),
    "a mask that is no text": changed(mask=[0] * 1024),
    "no picture": changed(image="!!!"),
    "a picture that is none": changed(image=base64.b64encode(b"GIF89a").decode()),
    "a picture of another size": changed(image=BIG),
    "a number for a picture": changed(image=3),
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_a_strangers_recipe_is_refused_and_its_picture_is_a_picture(
    library: Library, of_sample: Value, tmp_path: Path, change: Callable[[Value], str]
) -> None:
    content = bytes_of(of_sample["variants"][0])
    text = change(json.loads(find_recipe(content) or ""))
    with pytest.raises(FlowgenError):
        read_recipe(library, text)
    (tmp_path / "x.png").write_bytes(png_bytes(open_picture(content), {"flowgen": text}))
    seen = or_why_not(see_upload, library, "colour", uploaded(tmp_path / "x.png"))
    assert seen["trouble"].startswith("The settings in this PNG cannot be restored: ")
    assert "recipe" not in seen
    assert np.array_equal(levels_of(seen["picture"]), np.asarray(open_picture(content)))
    with pytest.raises(FlowgenError):
        inpaint.asked_of(library, seen | {"recipe": text})


def test_other_metadata_is_not_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(png_bytes(photograph(), {"Flowgen": "{}", "parameters": "{}"}))
    assert find_recipe(path.read_bytes()) is None
    photograph().save(path, "JPEG", comment="flowgen {}")
    assert find_recipe(path.read_bytes()) is None
    assert find_recipe(b"\x89PNG\r\n\x1a\n" + b"\0" * 100) is None


@pytest.mark.parametrize("feather", [0, 2])
def test_pasted_back_every_pixel_outside_is_the_photographs(library: Library, of_photo: Value, feather: float) -> None:
    saved = save_pasted(library, of_photo | {"selected": 1, "format": "png", "feather": feather})["saved"]
    pasted = np.asarray(open_picture(Path(saved["path"])))
    weights = np.zeros((500, 400))
    weights[100:420, 40:360] = blend(read_mask(HOLE, 32, 32), (320, 320), feather)
    outside = weights == 0
    assert np.array_equal(pasted[outside], np.asarray(photograph())[outside])
    variant = levels_of(of_photo["variants"][1])
    middles = pasted[104:420:10, 44:360:10].astype(int)
    hole = np.array([mark == "1" for mark in HOLE]).reshape(32, 32)
    smooth = np.asarray(Image.fromarray(variant).resize((320, 320), Image.Resampling.BILINEAR))[4::10, 4::10]
    assert np.abs(middles - smooth)[hole].max() <= 1
    band = (weights > 0) & (weights < 1)
    assert band.any() == (feather > 0)
    assert feather == 0 or (pasted[band] != np.asarray(photograph())[band]).any(axis=1).mean() > 0.5


def test_the_photograph_says_what_made_it(library: Library, of_photo: Value) -> None:
    saved = save_pasted(library, of_photo | {"format": "png"})["saved"]
    recipe = read_recipe(library, find_recipe(Path(saved["path"]).read_bytes()))
    assert recipe.index == 0
    assert signed_png(open_picture(Path(saved["path"])), recipe) == Path(saved["path"]).read_bytes()


def test_a_photograph_dropped_is_the_picture_again_with_its_hole_and_settings(
    library: Library, of_photo: Value
) -> None:
    path = Path(save_pasted(library, of_photo | {"format": "png", "selected": 1})["saved"]["path"])
    seen = or_why_not(see_upload, library, "gray", uploaded(path))  # whatever model is chosen
    assert (seen["mask"], seen["crop"], seen["size"], seen["trouble"]) == (HOLE, [40, 100, 360, 420], [400, 500], "")
    assert seen["caption"].startswith("restored: colour, seed 7, #1 · 400 x 500 pixels, 320 x 320 at (40, 100)")
    assert seen["file"]["path"] == str(path)
    asked = inpaint.asked_of(library, seen)
    assert (asked["model"], asked["seed"], asked["langevin.step_size"]) == ("colour", 7, 0.02)
    again = fill_in(library, seen)
    assert again["large"]
    second = Path(save_pasted(library, again | {"format": "png"})["saved"]["path"])
    pasted = np.asarray(open_picture(second))
    assert np.array_equal(pasted[:200], np.asarray(photograph())[:200])


@pytest.mark.parametrize("crop", [[0, 0, 9, 900], [40, 100, 360], "all", [40, 100, 360, 420.5], [-1, 100, 319, 420]])
def test_a_photograph_that_has_no_such_part_is_shown_with_the_reason(
    library: Library, of_photo: Value, tmp_path: Path, crop: Any
) -> None:
    content = Path(save_pasted(library, of_photo | {"format": "png"})["saved"]["path"]).read_bytes()
    text = json.dumps(json.loads(find_recipe(content) or "") | {"crop": crop})
    (tmp_path / "x.png").write_bytes(png_bytes(open_picture(content), {"flowgen": text}))
    seen = or_why_not(see_upload, library, "colour", uploaded(tmp_path / "x.png"))
    assert seen["trouble"].startswith("The settings in this PNG cannot be restored: crop must be")
    assert (seen["size"], seen["mask"]) == ([400, 500], "")


def test_a_jpeg_is_offered_for_a_jpeg(library: Library, tmp_path: Path, cifar10: Images) -> None:
    picture = from_levels(cifar10.levels[0]).resize((320, 320), Image.Resampling.BICUBIC)
    picture.save(tmp_path / "photo.jpg", quality=95)
    gallery = fill_in(library, see_upload(library, "colour", uploaded(tmp_path / "photo.jpg")) | {"mask": HOLE})
    assert gallery["jpeg"]
    saved = save_pasted(library, gallery | {"format": "jpeg"})["saved"]
    with Image.open(saved["path"]) as written:
        assert (written.format, written.size) == ("JPEG", (320, 320))
        difference = np.abs(np.asarray(written, int) - np.asarray(picture, int))[:100]
    assert difference.mean() < 3


def test_the_photograph_is_shown_before_and_after(library: Library, of_photo: Value) -> None:
    shown = look_inside(library, of_photo | {"selected": 2})["inside"]
    before, after = (np.asarray(open_picture(bytes_of(shown[name]))).astype(int) for name in ("before", "after"))
    assert before.shape == after.shape == (500, 400, 3)
    difference = np.abs(before - after).mean(2)
    assert difference[230:290, 150:250].mean() > 20
    assert difference[:200].max() < 3
    assert np.abs(before[230:290, 150:250] - view.HOLE).mean() < 3, "before, there is a hole"


def test_a_variant_becomes_the_input_with_its_hole_or_without(
    library: Library, of_photo: Value, of_sample: Value
) -> None:
    cleared = use_as_input(library, "colour", of_sample | {"selected": 1})
    assert np.array_equal(levels_of(cleared["picture"]), levels_of(of_sample["variants"][1]))
    assert cleared["mask"] == ""
    assert use_as_input(library, "colour", of_sample | {"keep": True})["mask"] == HOLE
    with pytest.raises(FlowgenError, match="choose that model first"):
        use_as_input(library, "gray", of_sample)

    box = use_as_input(library, "colour", of_photo | {"keep": True})
    assert (box["crop"], box["mask"]) == ([40, 100, 360, 420], HOLE)
    next_photo = np.asarray(open_picture(Path(box["file"]["path"])))
    assert np.array_equal(next_photo[:200], np.asarray(photograph())[:200])
    assert not np.array_equal(next_photo[230:290], np.asarray(photograph())[230:290])
    smaller = use_as_input(library, "gray", of_photo | {"keep": True})
    assert read_box(smaller, (1, 28, 28), 256).known.all(), "another model looks at the same part, without the hole"


@pytest.mark.parametrize(
    "change",
    [
        {"variants": None},
        {"variants": []},
        {"variants": ["data:image/png;base64,AAAA"] * 3},
        {"variants": ["file:///etc/passwd"] * 3},
        {"variants": [3] * 3},
        {"selected": 3},
        {"selected": -1},
        {"selected": 0.5},
        {"selected": None},
        {"model": "no such"},
        {"model": "gray"},
        {"feather": -0.5},
        {"feather": 1000},
        {"feather": float("nan")},
        {"feather": "2"},
        {"mask": "1"},
        {"mask": 5},
        {"crop": [0, 0, 9, 900]},
        {"crop": None},
        {"file": {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}},
    ],
)
def test_a_gallery_that_no_page_sends_is_refused(library: Library, of_photo: Value, change: Value) -> None:
    read_gallery(library, of_photo)
    with pytest.raises(FlowgenError):
        read_gallery(library, of_photo | change)


@pytest.mark.parametrize("file", [None, {"path": "/etc/passwd"}, "/etc/passwd"])
def test_without_an_upload_there_is_nothing_to_paste_into(library: Library, of_photo: Value, file: Any) -> None:
    with pytest.raises(FlowgenError, match="There is no photo"):
        save_pasted(library, of_photo | {"file": file, "format": "png"})


def test_only_two_formats_are_written(library: Library, of_photo: Value) -> None:
    with pytest.raises(FlowgenError, match="format must be one of png, jpeg"):
        save_pasted(library, of_photo | {"format": "../../x"})
