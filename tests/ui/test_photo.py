"""A photograph filled in, in a real browser: pasted back whole, its variants compared, saved and restored."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps
from playwright.sync_api import Page, expect

from flowgen.data import Images
from flowgen.data.paste import blend
from flowgen.data.pictures import from_levels
from flowgen.ui.picture import read_mask

from .conftest import PHONE, Visit
from .test_editor import BOX, away, do, drop, frame_of, photograph, seen
from .test_page import SIZES, choose_model, decoded, fits, hidden, open_advanced, open_tab, set_number, stroke, upload

pytestmark = pytest.mark.browser
GALLERY = "#inpaint-gallery"


def fill_in(page: Page, variants: int, steps: int = 8) -> None:
    set_number(page, "inpaint-num", variants)
    set_number(page, "inpaint-steps", steps)
    page.click("#inpaint-run")
    expect(page.locator("#inpaint-result .fg-status")).to_contain_text(f"step {steps} of {steps}")
    expect(page.locator(f"{GALLERY} [data-part=gallery]")).to_be_visible()


def saved(page: Page, selector: str) -> bytes:
    with page.expect_download() as download:
        page.click(f"{GALLERY} {selector}")
    return download.value.path().read_bytes()


def opened(content: bytes) -> tuple[np.ndarray, dict[str, Any]]:
    with Image.open(io.BytesIO(content)) as picture:
        return np.asarray(picture), json.loads(picture.info["flowgen"])


@SIZES
def test_a_turned_photograph_comes_back_upright_and_changed_in_its_hole_alone(
    visit: Visit, size: tuple[int, int], tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 8  # the camera was held upright: the picture is to be turned by a quarter
    upright = np.asarray(photograph(tmp_path / "upright.png"))
    Image.fromarray(upright).transpose(Image.Transpose.ROTATE_270).save(tmp_path / "photo.png", exif=exif)
    page = visit(size)
    open_tab(page, "Inpaint")
    choose_model(page, "inpaint", "colour")
    upload(page, BOX, tmp_path / "photo.png")
    expect(page.locator(f"#{BOX} .fg-caption")).to_contain_text("900 x 600 pixels")
    do(page, "crop")
    for key in ("ArrowRight", "ArrowDown", "-", "-", "-"):
        page.keyboard.press(key)
    expect(page.locator(f"#{BOX} .fg-caption")).to_contain_text("492 x 492 at (222, ")
    box = frame_of(page)
    stroke(page, BOX, 0.5)
    fill_in(page, 2)
    expect(page.locator(f"{GALLERY} .is-photo")).to_be_visible()  # the photograph is what a visitor wants to see

    pasted, recipe = opened(saved(page, "[data-do=png]"))
    mask = read_mask(recipe["mask"], 32, 32)
    weights = np.zeros((600, 900))
    weights[box[1] : box[3], box[0] : box[2]] = blend(mask, (492, 492))
    assert np.array_equal(pasted[weights == 0], upright[weights == 0])
    assert 0.02 < (weights > 0).mean() < 0.5
    assert (pasted != upright).any(axis=2)[weights > 0].mean() > 0.9

    page.locator(f"{GALLERY} [data-part=feather]").fill("1")
    expect(page.locator(f"{GALLERY} .fg-trouble")).to_be_empty()
    for shown in (False, True):
        page.click(f"{GALLERY} [data-do=inside]")
        expect(page.locator(f"{GALLERY} .is-photo")).to_have_count(int(shown))
    expect(page.locator(f"{GALLERY} .fg-trouble")).to_be_empty()  # it is there already: nobody is busy
    for variant in (1, 0):  # faster than the answers
        page.locator(f"{GALLERY} .fg-variant").nth(variant).click()
    expect(page.locator(f"{GALLERY} .fg-trouble")).to_be_empty()
    expect(page.locator(f"{GALLERY} .fg-variant").nth(0)).to_have_attribute("aria-pressed", "true")
    softer, _ = opened(saved(page, "[data-do=png]"))
    weights[box[1] : box[3], box[0] : box[2]] = blend(mask, (492, 492), 1)
    assert np.array_equal(softer[weights == 0], upright[weights == 0])
    band = (weights > 0) & (weights < 1)
    assert (softer != pasted).any(axis=2)[band].mean() > 0.5
    assert np.abs(softer.astype(int) - pasted)[weights == 1].max() <= 1
    assert fits(page)
    if size == PHONE:
        tools = page.locator(f"{GALLERY} .fg-tool:visible, {GALLERY} .fg-variant:visible")
        assert min(tools.evaluate_all("all => all.map((one) => one.offsetHeight)")) >= 44


def test_ink_on_paper_is_filled_in_with_ink(visit: Visit, mnist: Images, tmp_path: Path) -> None:
    digit = ImageOps.invert(from_levels(mnist.levels[0])).resize((280, 280), Image.Resampling.BICUBIC)
    paper = Image.merge("RGB", [digit.point(lambda v, t=top: v * t // 255) for top in (240, 225, 190)])
    paper.save(tmp_path / "ink.png")
    page = visit()
    open_tab(page, "Inpaint")
    choose_model(page, "inpaint", "gray")
    upload(page, BOX, tmp_path / "ink.png")
    stroke(page, BOX, 0.5)
    fill_in(page, 1, 2)
    pasted, _ = opened(saved(page, "[data-do=png]"))
    changed = (pasted != np.asarray(paper)).any(axis=2)
    assert changed.any()
    assert pasted.mean() > 150, "it is not inverted"
    red, green, blue = pasted[changed].astype(float).T
    assert np.abs(green - red * 225 / 240).mean() < 4, "paper stays as yellow as it is"
    assert np.abs(blue - red * 190 / 240).mean() < 4


def test_the_guess_is_said_and_undone_and_the_saved_photograph_brings_all_of_it_back(
    visit: Visit, mnist: Images, tmp_path: Path
) -> None:
    ImageOps.invert(from_levels(mnist.levels[0])).resize((280, 280)).save(tmp_path / "ink.png")
    page = visit()
    open_tab(page, "Inpaint")
    choose_model(page, "inpaint", "gray")
    upload(page, BOX, tmp_path / "ink.png")
    remark, swap = page.locator(f"#{BOX} [data-part=remark]"), page.locator(f"#{BOX} [data-do=swap]")
    expect(remark).to_contain_text("brightness inverted, as this model knows light strokes on black")
    stroke(page, BOX, 0.5)
    share = hidden(page, BOX)
    expect(swap).to_have_text("Do not invert it")
    swap.click()
    expect(remark).to_contain_text("brightness not inverted, as you chose")
    page.reload()
    open_tab(page, "Inpaint")
    expect(swap).to_have_text("Invert brightness")
    away(page)
    assert seen(page)[0].min() > 200, "paper is white"
    fill_in(page, 1, 2)
    (tmp_path / "photo.png").write_bytes(saved(page, "[data-do=png]"))

    do(page, "sample")
    expect(page.locator(f"#{BOX} .fg-caption")).to_contain_text("a sample of gray")
    expect(swap).to_be_hidden()
    drop(page, tmp_path / "photo.png", f"#{BOX} [data-part=stage]")
    expect(page.locator(f"#{BOX} .fg-caption")).to_contain_text("restored: gray, seed 0, #0 · 280 x 280 pixels")
    expect(swap).to_have_text("Invert brightness")
    assert hidden(page, BOX) == share
    fill_in(page, 1, 2)
    expect(page.locator(f"{GALLERY} .is-photo")).to_be_visible()


@SIZES
def test_variants_are_chosen_compared_saved_and_restored(
    visit: Visit, size: tuple[int, int], digit: Path, tmp_path: Path
) -> None:
    page = visit(size)
    open_tab(page, "Inpaint")
    choose_model(page, "inpaint", "gray")
    page.click("#inpaint-method input")
    page.get_by_role("option", name="Langevin", exact=True).click()
    upload(page, BOX, digit)
    stroke(page, BOX, 0.6)
    share = hidden(page, BOX)
    open_advanced(page)
    page.locator("#inpaint-seed input").fill("11")
    page.locator("#inpaint-seed input").press("Tab")
    fill_in(page, 3)
    variants, after = page.locator(f"{GALLERY} .fg-variant"), page.locator(f"{GALLERY} [data-part=after]")
    expect(variants).to_have_count(3)
    expect(page.locator(f"{GALLERY} .fg-caption")).to_have_text("seed 11, variant 0")
    first = decoded(after)
    variants.nth(1).click()
    expect(variants.nth(1)).to_have_attribute("aria-pressed", "true")
    second = decoded(after)
    assert not np.array_equal(first, second)
    variants.nth(2).focus()
    page.keyboard.press("Enter")
    expect(page.locator(f"{GALLERY} .fg-caption")).to_have_text("seed 11, variant 2")
    expect(variants.nth(1)).to_have_attribute("aria-pressed", "false")

    slider, before = page.get_by_label("Before and after"), page.locator(f"{GALLERY} [data-part=before]")
    slider.focus()
    page.keyboard.press("Home")
    assert "inset(0px 100% 0px 0px)" in before.evaluate("image => getComputedStyle(image).clipPath")
    page.keyboard.press("End")
    assert "100%" not in before.evaluate("image => getComputedStyle(image).clipPath")

    content = saved(page, "[data-part=png]")
    (tmp_path / "variant.png").write_bytes(content)
    pixels, recipe = opened(content)
    assert np.array_equal(pixels, decoded(after))
    assert (recipe["seed"], recipe["index"], recipe["method"]) == (11, 2, "langevin")

    page.close()
    page = visit(size)  # another day
    open_tab(page, "Inpaint")
    choose_model(page, "inpaint", "colour")
    drop(page, tmp_path / "variant.png", f"#{BOX} [data-part=stage]")
    expect(page.locator(f"#{BOX} .fg-caption")).to_have_text("restored: gray, seed 11, #2")
    expect(page.locator("#inpaint-model input")).to_have_value("gray")
    expect(page.locator("#inpaint-method input")).to_have_value("Langevin")
    open_advanced(page)
    expect(page.locator("#inpaint-seed input")).to_have_value("11")
    expect(page.locator("#inpaint-steps input[type=number]")).to_have_value("8")
    expect(page.locator("#inpaint-num input[type=number]")).to_have_value("3")
    expect(page.locator("#inpaint-cost")).to_contain_text("3 variants, 8 steps")
    expect(page.locator("#inpaint-method input")).to_have_value("Langevin")  # the model's own first method stays away
    assert hidden(page, BOX) == share
    page.click("#inpaint-run")
    expect(page.locator("#inpaint-result .fg-status")).to_contain_text("step 8 of 8")
    page.locator(f"{GALLERY} .fg-variant").nth(2).click()
    assert saved(page, "[data-part=png]") == content, "byte for byte"
    assert fits(page)


def test_a_variant_is_the_next_input(visit: Visit, digit: Path, tmp_path: Path) -> None:
    page = visit()
    open_tab(page, "Inpaint")
    choose_model(page, "inpaint", "gray")
    upload(page, BOX, digit)
    stroke(page, BOX, 0.6)
    share = hidden(page, BOX)
    fill_in(page, 2)
    expect(
        page.locator(f"{GALLERY} [data-part=photo-tools]")
    ).to_be_hidden()  # of the model's size, it is no photograph
    page.locator(f"{GALLERY} .fg-variant").nth(1).click()
    after = decoded(page.locator(f"{GALLERY} [data-part=after]"))
    page.locator(f"{GALLERY} [data-part=keep]").check()
    page.click(f"{GALLERY} [data-do=use]")
    canvas = page.locator(f"#{BOX} canvas")
    page.wait_for_timeout(500)
    assert hidden(page, BOX) == share
    page.locator(f"{GALLERY} [data-part=keep]").uncheck()
    page.click(f"{GALLERY} [data-do=use]")
    expect(canvas).to_have_attribute("aria-label", "28 x 28 pixels, seen as 28 x 28 gray; 0 % to be filled in")
    away(page)
    assert np.array_equal(seen(page)[..., 0], after)
