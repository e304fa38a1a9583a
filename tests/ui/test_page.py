"""The page in a real browser: what a visitor does, on a desk and on a phone."""

import base64
import dataclasses
import io
import json
import re
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from flowgen.data import Images
from flowgen.inference import METHODS

from .conftest import DESKTOP, PATIENCE, PHONE, Visit

pytestmark = pytest.mark.browser
expect.set_options(timeout=PATIENCE)

SIZES = pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
EVERY_MODEL = 3


def open_tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).click()
    page.wait_for_selector(f"#{name.lower()}-run")


def choose_model(page: Page, tab: str, name: str) -> None:
    page.click(f"#{tab}-model input")
    page.get_by_role("option", name=name, exact=True).click()
    expect(page.locator(f"#{tab}-model input")).to_have_value(name)


def upload(page: Page, box: str, file: Path) -> None:
    page.set_input_files(f"#{box} [data-part=file]", file)
    expect(page.locator(f"#{box} .fg-caption")).to_contain_text("seen as")


def stroke(page: Page, box: str, height: float) -> None:
    """From left to right across the picture, at a fraction of its height."""
    canvas = page.locator(f"#{box} canvas")
    canvas.scroll_into_view_if_needed()
    area = canvas.bounding_box()
    assert area
    y = area["y"] + height * area["height"]
    page.mouse.move(area["x"] + 0.25 * area["width"], y)
    page.mouse.down()
    page.mouse.move(area["x"] + 0.75 * area["width"], y, steps=5)
    page.mouse.up()


def hidden(page: Page, box: str) -> float:
    """Per cent of the picture painted over, as told to those who cannot see it."""
    label = page.locator(f"#{box} canvas").get_attribute("aria-label") or ""
    found = re.search(r"(\d+) % to be filled in", label)
    assert found, label
    return int(found[1])


def set_number(page: Page, elem_id: str, value: int) -> None:
    field = page.locator(f"#{elem_id} input[type=number]")
    field.fill(str(value))
    field.press("Tab")


def open_advanced(page: Page) -> None:
    """Open what stands under Advanced, and wait until it is settled.

    Gradio draws a closed accordion's fields when it is first opened, and sets each to its value some 100 ms after: what
    is typed sooner than any hand could is lost.
    """
    page.locator("#inpaint-advanced").get_by_text("Advanced").click()
    expect(page.locator("#inpaint-seed input")).to_be_visible()
    page.wait_for_timeout(500)


def decoded(image: Locator) -> np.ndarray:
    url = image.get_attribute("src") or ""
    with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as picture:
        return np.asarray(picture)


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def test_a_model_that_came_meanwhile_is_offered_to_whoever_loads_the_page(visit: Visit, checkpoints: Path) -> None:
    later = checkpoints / "later.safetensors"
    shutil.copy(checkpoints / "gray.safetensors", later)
    try:
        page = visit()
        choose_model(page, "generate", "later")
        page.click("#generate-run")
        expect(page.locator("#generate-result .fg-tile").first).to_be_visible()
    finally:
        later.unlink()


@SIZES
def test_a_visitor_samples(visit: Visit, size: tuple[int, int]) -> None:
    page = visit(size)
    set_number(page, "generate-num", 5)
    page.click("#generate-run")
    tiles = page.locator("#generate-result .fg-tile img")
    expect(tiles).to_have_count(5)
    assert decoded(tiles.first).shape in [(28, 28), (32, 32, 3)]
    assert fits(page)


@SIZES
def test_a_visitor_edits(visit: Visit, size: tuple[int, int]) -> None:
    page = visit(size)
    open_tab(page, "Edit")
    expect(page.locator("#edit-model input")).to_have_value("colour")  # the only one with attributes
    expect(page.locator("#edit-amount-1")).to_contain_text("Blond hair")
    expect(page.locator("#edit-amount-2")).to_be_hidden()
    page.click("#edit-run")
    expect(page.get_by_text("There is no picture yet")).to_be_visible()
    page.click("#edit-picture [data-do=sample]")
    page.wait_for_selector("#edit-picture .fg-stage:not(.is-empty)")
    page.click("#edit-run")
    pair = page.locator("#edit-result .fg-pair img")
    expect(pair).to_have_count(2)
    assert np.array_equal(*map(decoded, pair.all())), "at rest nothing changes"

    before = pair.last.get_attribute("src")
    set_number(page, "edit-amount-0", 2)  # leaving the field already edits, as letting go of the slider does
    page.click("#edit-run")
    page.wait_for_function(
        "(before) => document.querySelectorAll('#edit-result .fg-pair img')[1].src !== before", arg=before
    )
    assert not np.array_equal(*map(decoded, pair.all()))
    strip = page.locator("#edit-result .fg-strip").first.locator("img")
    expect(strip).to_have_count(5)
    assert np.array_equal(decoded(strip.last), decoded(pair.last)), "the end of the first slider's own strip"
    assert fits(page)

    page.click("#edit-back")
    page.wait_for_function(
        "document.querySelector('#edit-result .fg-pair img').src"
        " === document.querySelectorAll('#edit-result .fg-pair img')[1].src"
    )
    assert page.locator("#edit-amount-0 input[type=number]").input_value() == "0"


def test_an_edit_follows_its_slider_and_outlives_a_refresh_and_a_link(visit: Visit) -> None:
    page = visit()
    open_tab(page, "Edit")
    page.click("#edit-picture [data-do=sample]")
    page.wait_for_selector("#edit-picture .fg-stage:not(.is-empty)")
    slider = page.locator("#edit-amount-1 input[type=range]")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    assert box
    page.mouse.click(box["x"] + 0.9 * box["width"], box["y"] + box["height"] / 2)
    expect(page.locator("#edit-result .fg-pair img")).to_have_count(2)
    amount = page.locator("#edit-amount-1 input[type=number]").input_value()
    assert 1 < float(amount) <= 2
    edited = decoded(page.locator("#edit-result .fg-pair img").last)
    link = page.locator("#edit-result [data-copy]").get_attribute("href")
    page.reload()
    open_tab(page, "Edit")
    expect(page.locator("#edit-amount-1 input[type=number]")).to_have_value(amount)
    assert np.array_equal(decoded(page.locator("#edit-result .fg-pair img").last), edited)

    other = visit(address=link or "")
    other.wait_for_selector("#edit-picture .fg-stage:not(.is-empty)")
    expect(other.locator("#edit-amount-1 input[type=number]")).to_have_value(amount)
    other.click("#edit-run")
    expect(other.locator("#edit-result .fg-pair img")).to_have_count(2)
    assert np.array_equal(decoded(other.locator("#edit-result .fg-pair img").last), edited)


def test_a_model_with_classes_draws_one_row_by_row(visit: Visit) -> None:
    page = visit()
    choose_model(page, "generate", "ordered")
    set_number(page, "generate-num", 64)
    page.click("#generate-run")  # of any class: all ten are carried along, which takes its time
    expect(page.locator("#generate-result .fg-status")).to_contain_text("row by row")
    page.click("#generate-stop")
    expect(page.locator("#generate-result .fg-status")).to_contain_text("stopped after")
    page.click("#generate-run")
    expect(page.locator("#generate-result .fg-status")).to_contain_text("row by row")
    done = page.locator("#generate-result").get_by_text("Download the sheet")
    expect(page.locator("#generate-result .fg-status")).to_have_count(0)
    expect(done).to_be_visible()
    expect(page.locator("#generate-result .fg-tile img")).to_have_count(64)
    first = decoded(page.locator("#generate-result .fg-tile img").first)

    page.click("#generate-class input")
    page.get_by_role("option", name="7", exact=True).click()
    set_number(page, "generate-num", 3)
    page.click("#generate-run")
    expect(page.locator("#generate-result .fg-tile img")).to_have_count(3)
    expect(done).to_be_visible()
    assert not np.array_equal(decoded(page.locator("#generate-result .fg-tile img").first), first)


def test_the_methods_are_those_that_fit_the_model(visit: Visit, digit: Path) -> None:
    page = visit()
    open_tab(page, "Inpaint")
    choose_model(page, "inpaint", "gray")
    expect(page.locator("#inpaint-method input")).to_have_value("Gradient ascent")
    upload(page, "inpaint-picture", digit)
    stroke(page, "inpaint-picture", 0.7)
    painted = hidden(page, "inpaint-picture")
    choose_model(page, "inpaint", "ordered")
    expect(page.locator("#inpaint-method input")).to_have_value("Raster SMC")
    expect(page.locator("#inpaint-steps")).to_be_hidden()
    page.click("#inpaint-method input")
    page.get_by_role("option", name="Particle Gibbs", exact=True).click()
    expect(page.locator("#inpaint-steps")).to_be_visible()
    planned = page.locator("#inpaint-cost [data-steps]")
    expect(planned).to_contain_text("steps: about")
    expect(page.locator("#inpaint-steps input[type=number]")).to_have_value(planned.get_attribute("data-steps") or "")
    page.click("#inpaint-method input")
    page.get_by_role("option", name="In order", exact=True).click()
    expect(page.locator("#inpaint-steps")).to_be_hidden()
    assert hidden(page, "inpaint-picture") == painted  # the hole is for one model after the other
    page.click("#inpaint-run")
    expect(page.locator("#inpaint-result")).to_contain_text("what comes after everything known")


@SIZES
def test_a_visitor_uploads_paints_fills_in_stops_and_downloads(
    visit: Visit, size: tuple[int, int], digit: Path, mnist: Images, tmp_path: Path
) -> None:
    page = visit(size)
    open_tab(page, "Inpaint")
    choose_model(page, "inpaint", "gray")
    upload(page, "inpaint-picture", digit)
    stroke(page, "inpaint-picture", 0.7)
    assert 5 < hidden(page, "inpaint-picture") < 40

    set_number(page, "inpaint-num", 1)
    set_number(page, "inpaint-steps", 2000)
    page.click("#inpaint-run")
    status = page.locator("#inpaint-result .fg-status")
    expect(status).to_contain_text(re.compile(r"step \d+ of 2000"))
    earlier = status.inner_text()
    expect(status).not_to_have_text(earlier)  # frames come as they are computed
    page.click("#inpaint-stop")
    page.wait_for_timeout(1500)
    stopped = status.inner_text()
    assert "stopped" in stopped
    page.wait_for_timeout(1500)
    assert status.inner_text() == stopped
    expect(page.locator("#inpaint-result .fg-verdict")).to_be_visible()
    expect(page.get_by_text("Download everything")).to_be_visible()

    set_number(page, "inpaint-steps", 10)
    page.click("#inpaint-run")  # the worker is free again
    expect(status).to_contain_text("step 10 of 10")
    with page.expect_download() as download:
        page.locator("#inpaint-result").get_by_text("PNG", exact=True).first.click()
    download.value.save_as(tmp_path / "filled.png")
    with Image.open(tmp_path / "filled.png") as picture:
        filled = np.asarray(picture)
    before = decoded(page.get_by_alt_text("before"))
    known = (before == before[..., :1]).all(axis=2)  # the hole is coloured, the digit is gray
    assert np.array_equal(filled[known], mnist.levels[0, 0].numpy()[known])
    assert 0.05 < 1 - known.mean() < 0.4
    assert fits(page)


def sizes(page: Page) -> tuple[int, int]:
    """The variants and the steps that are asked for."""
    num, steps = (page.locator(f"#inpaint-{name} input[type=number]").input_value() for name in ("num", "steps"))
    return int(num), int(steps)


def choose_effort(page: Page, name: str) -> None:
    page.locator("#inpaint-preset").get_by_text(name).click()
    expect(page.locator("#inpaint-cost")).to_contain_text(f"{name} answers within")


def test_an_effort_says_beforehand_what_it_will_take(visit: Visit) -> None:
    page = visit()
    open_tab(page, "Inpaint")
    cost = page.locator("#inpaint-cost")
    expect(cost).to_contain_text("Fast answers within 5 s")
    choose_model(page, "inpaint", "gray")
    page.click("#inpaint-method input")
    page.get_by_role("option", name="MALA", exact=True).click()
    expect(page.locator("#inpaint-about")).to_contain_text("Metropolis-adjusted Langevin")
    choose_effort(page, "Balanced")
    balanced = sizes(page)
    choose_effort(page, "Fast")
    fast = sizes(page)
    assert fast[0] * fast[1] < balanced[0] * balanced[1]
    assert re.search(rf"{fast[0]} variants?, {fast[1]} steps: about [1-5] s on this machine", cost.inner_text())

    set_number(page, "inpaint-steps", fast[1] + 1)
    expect(cost).to_contain_text(re.compile(rf"^\s*{fast[0]} variants?, {fast[1] + 1} steps: about"))
    expect(page.locator("#inpaint-preset input:checked")).to_have_count(0)


def test_the_efforts_stay_in_their_panel_on_a_tablet(visit: Visit) -> None:
    page = visit((820, 1000))
    open_tab(page, "Inpaint")
    panel = page.locator(".fg-panel", has=page.locator("#inpaint-preset")).bounding_box()
    last = page.locator("#inpaint-preset label").last.bounding_box()
    assert panel
    assert last
    assert last["x"] + last["width"] <= panel["x"] + panel["width"]


def test_an_effort_holds_however_soon_the_visitor_starts(visit: Visit, digit: Path) -> None:
    """The sizes of another method are still on the sliders when the run is asked for."""
    page = visit()
    open_tab(page, "Inpaint")
    choose_model(page, "inpaint", "gray")
    upload(page, "inpaint-picture", digit)
    stroke(page, "inpaint-picture", 0.7)
    page.click("#inpaint-method input")
    page.get_by_role("option", name="Parallel tempering", exact=True).click()
    page.click("#inpaint-run")
    expect(page.locator("#inpaint-result .fg-verdict")).to_be_visible()
    expect(page.locator("#inpaint-cost")).to_contain_text("Fast answers within 5 s")
    num, steps = sizes(page)
    expect(page.locator("#inpaint-result .fg-status")).to_contain_text(f"step {steps} of {steps}")
    expect(page.locator("#inpaint-result .fg-chart polyline")).to_have_count(num)


def test_a_chain_leaves_its_trace_a_verdict_and_an_archive(visit: Visit, digit: Path, mnist: Images) -> None:
    page = visit()
    open_tab(page, "Inpaint")
    choose_model(page, "inpaint", "gray")
    page.click("#inpaint-method input")
    page.get_by_role("option", name="MALA", exact=True).click()
    choose_effort(page, "Fast")
    upload(page, "inpaint-picture", digit)
    stroke(page, "inpaint-picture", 0.7)
    set_number(page, "inpaint-num", 3)
    set_number(page, "inpaint-steps", 60)
    page.click("#inpaint-run")
    result = page.locator("#inpaint-result")
    expect(result.locator(".fg-status")).to_contain_text("step 60 of 60")
    expect(result.locator(".fg-verdict")).to_contain_text("Not converged, because")
    expect(result.locator(".fg-verdict dl")).to_contain_text("split R-hat")
    expect(result.locator(".fg-chart polyline")).to_have_count(3)
    expect(result.locator(".fg-trio img")).to_have_count(3)
    with page.expect_download() as download:
        result.get_by_text("Download everything").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        settings = json.loads(archive.read("settings.json"))
        with Image.open(io.BytesIO(archive.read("mask.png"))) as mask:
            known = np.asarray(mask) == 0
        completions = [name for name in archive.namelist() if name.startswith("completions/")]
        assert len(completions) == 3
        for name in [*completions, "mean.png"]:
            with Image.open(io.BytesIO(archive.read(name))) as picture:
                assert np.array_equal(np.asarray(picture)[known], mnist.levels[0, 0].numpy()[known])
    assert (settings["model"], settings["method"], settings["num"], settings["steps"]) == ("gray", "mala", 3, 60)
    assert len(settings["model_sha256"]) == 64
    assert settings["options"].keys() == {"step_size", "target_acceptance"}


def test_the_methods_own_settings_are_under_advanced(visit: Visit) -> None:
    page = visit()
    open_tab(page, "Inpaint")
    choose_model(page, "inpaint", "gray")
    page.click("#inpaint-method input")
    page.get_by_role("option", name="HMC", exact=True).click()
    expect(page.locator("#inpaint-about")).to_contain_text("Hamiltonian")
    open_advanced(page)
    for field in dataclasses.fields(METHODS["hmc"]):
        expect(page.locator(f"#inpaint-hmc-{field.name}")).to_be_visible()
    expect(page.locator("#inpaint-mala-step_size")).to_be_hidden()


def test_the_hole_can_be_mended(visit: Visit, digit: Path) -> None:
    page = visit()
    open_tab(page, "Inpaint")
    upload(page, "inpaint-picture", digit)
    box = page.locator("#inpaint-picture")
    stroke(page, "inpaint-picture", 0.3)
    one = hidden(page, "inpaint-picture")
    stroke(page, "inpaint-picture", 0.7)
    two = hidden(page, "inpaint-picture")
    assert 0 < one < two

    page.keyboard.press("Control+z")
    assert hidden(page, "inpaint-picture") == one
    page.keyboard.press("Control+Shift+z")
    assert hidden(page, "inpaint-picture") == two
    box.get_by_text("Undo").click()
    assert hidden(page, "inpaint-picture") == one
    box.get_by_text("Eraser").click()
    stroke(page, "inpaint-picture", 0.3)
    assert hidden(page, "inpaint-picture") == 0
    box.get_by_text("Invert", exact=True).click()
    assert hidden(page, "inpaint-picture") == 100
    box.get_by_text("Clear").click()
    assert hidden(page, "inpaint-picture") == 0


def test_the_hole_can_be_painted_with_keys_alone(visit: Visit, digit: Path) -> None:
    page = visit()
    open_tab(page, "Inpaint")
    upload(page, "inpaint-picture", digit)
    page.locator("#inpaint-picture canvas").focus()
    for key in ("]", "]", "ArrowUp", "Space", "ArrowDown", "Space"):
        page.keyboard.press(key)
    assert hidden(page, "inpaint-picture") > 0


def test_the_picture_survives_a_visit_to_another_tab(visit: Visit, digit: Path) -> None:
    page = visit()
    open_tab(page, "Inpaint")
    upload(page, "inpaint-picture", digit)
    stroke(page, "inpaint-picture", 0.5)
    painted = hidden(page, "inpaint-picture")
    open_tab(page, "Generate")
    open_tab(page, "Inpaint")
    page.wait_for_selector("#inpaint-picture .fg-stage:not(.is-empty)")
    assert hidden(page, "inpaint-picture") == painted > 0


def test_another_model_looks_at_the_same_upload(visit: Visit, digit: Path) -> None:
    page = visit()
    open_tab(page, "Score")
    choose_model(page, "score", "gray")
    upload(page, "score-picture", digit)
    expect(page.locator("#score-picture .fg-caption")).to_contain_text("seen as 28 x 28 gray")
    choose_model(page, "score", "colour")
    expect(page.locator("#score-picture .fg-caption")).to_contain_text("seen as 32 x 32 colour")


@SIZES
def test_a_visitor_walks_between_samples(visit: Visit, size: tuple[int, int]) -> None:
    page = visit(size)
    open_tab(page, "Interpolate")
    for end in ("start", "end"):
        page.click(f"#interpolate-{end} [data-do=sample]")
        page.wait_for_selector(f"#interpolate-{end} .fg-stage:not(.is-empty)")
    set_number(page, "interpolate-frames", 6)
    page.click("#interpolate-run")
    expect(page.locator("#interpolate-result .fg-strip img")).to_have_count(12)
    expect(page.locator("#interpolate-result .fg-film img")).to_have_count(2)
    assert fits(page)


@SIZES
def test_a_visitor_scores_an_upload(visit: Visit, size: tuple[int, int], digit: Path) -> None:
    page = visit(size)
    open_tab(page, "Score")
    upload(page, "score-picture", digit)
    page.click("#score-run")
    rows = page.locator("#score-result .fg-score")
    expect(rows).to_have_count(EVERY_MODEL)
    expect(rows.first).to_contain_text("bits/dim")
    assert fits(page)


def test_what_cannot_be_done_is_said_in_a_sentence(visit: Visit, tmp_path: Path, digit: Path) -> None:
    page = visit()
    open_tab(page, "Inpaint")
    choose_model(page, "inpaint", "gray")
    page.click("#inpaint-run")
    expect(page.get_by_text("There is no picture yet")).to_be_visible()

    fake = tmp_path / "fake.png"
    fake.write_text("<img src=x onerror=alert(1)>")
    page.set_input_files("#inpaint-picture [data-part=file]", fake)
    trouble = page.locator("#inpaint-picture .fg-trouble")
    expect(trouble).to_contain_text("This is not a picture")
    upload(page, "inpaint-picture", digit)
    expect(trouble).to_be_empty()
    page.set_input_files("#inpaint-picture [data-part=file]", fake)
    expect(trouble).to_contain_text("This is not a picture")
    expect(page.locator("#inpaint-picture .fg-caption")).to_contain_text("seen as")  # as before
    expect(page.locator("#inpaint-model")).not_to_contain_text("Error")

    upload(page, "inpaint-picture", digit)
    page.click("#inpaint-run")
    expect(page.get_by_text("Nothing is hidden")).to_be_visible()
    page.locator("#inpaint-picture").get_by_text("Invert", exact=True).click()
    page.click("#inpaint-run")
    expect(page.get_by_text("Everything is hidden")).to_be_visible()
    expect(page.locator("#inpaint-result")).to_contain_text("press Fill in")  # as before


def test_leaving_frees_the_worker(visit: Visit, digit: Path) -> None:
    page = visit()
    open_tab(page, "Inpaint")
    choose_model(page, "inpaint", "gray")
    upload(page, "inpaint-picture", digit)
    stroke(page, "inpaint-picture", 0.5)
    set_number(page, "inpaint-steps", 2000)
    page.click("#inpaint-run")
    expect(page.locator("#inpaint-result .fg-status")).to_contain_text("of 2000")
    page.close()
    page = visit()
    page.click("#generate-run")
    expect(page.locator("#generate-result .fg-tile").first).to_be_visible()


def test_the_page_is_as_dark_as_it_is_asked_to_be(visit: Visit) -> None:
    shades = []
    for dark in (False, True):
        page = visit(dark=dark)
        colour = page.evaluate("getComputedStyle(document.querySelector('gradio-app')).backgroundColor")
        shades.append(sum(int(part) for part in re.findall(r"\d+", colour)[:3]))
    light_shade, dark_shade = shades
    assert light_shade > 600
    assert dark_shade < 120


def test_the_page_has_a_name_and_a_face(visit: Visit, studio: str) -> None:
    page = visit()
    assert page.title() == "FlowGen"
    assert "<svg" in page.request.get(f"{studio}/favicon.ico").text()
