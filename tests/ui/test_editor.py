"""The tools of the picture box in a real browser: hole, mask file, frame, camera and sheet."""

import base64
import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from flowgen.data import Images
from flowgen.data.pictures import from_levels, to_levels

from .conftest import DESKTOP, PHONE, Visit, launch_chromium
from .test_page import SIZES, choose_model, fits, hidden, open_tab, set_number, stroke, upload

pytestmark = pytest.mark.browser
BOX = "inpaint-picture"


def seen(page: Page) -> np.ndarray:
    """The pixels of the canvas, (h, w, 3)."""
    url = page.locator(f"#{BOX} canvas").evaluate("canvas => canvas.toDataURL()")
    with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as picture:
        return np.asarray(picture.convert("RGB"))


def do(page: Page, name: str) -> None:
    page.click(f"#{BOX} [data-do={name}]")


def away(page: Page) -> None:
    """The brush's shadow goes when the pointer or the keys leave."""
    page.mouse.move(0, 0)
    page.locator(f"#{BOX} canvas").blur()


def completions(page: Page) -> dict[str, bytes]:
    """Fill the hole in, and read what the archive holds."""
    page.click("#inpaint-run")
    expect(page.locator("#inpaint-result .fg-status")).to_contain_text("step 8 of 8")
    with page.expect_download() as download:
        page.get_by_text("Download everything").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        return {name: archive.read(name) for name in archive.namelist() if name.endswith(".png")}


def drop(page: Page, file: Path, selector: str) -> None:
    content = base64.b64encode(file.read_bytes()).decode()
    page.locator(selector).evaluate(
        """(target, [content, name]) => {
            const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File([bytes], name, { type: "image/png" }));
            for (const type of ["dragover", "drop"])
                target.dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));
        }""",
        [content, file.name],
    )


@SIZES
def test_the_hole_is_sized_grown_and_seen_through(visit: Visit, size: tuple[int, int], digit: Path) -> None:
    page = visit(size)
    open_tab(page, "Inpaint")
    upload(page, BOX, digit)
    page.locator(f"#{BOX} canvas").focus()
    for key in ("[", "[", "[", "ArrowUp", "Space"):
        page.keyboard.press(key)
    away(page)
    before, slider = seen(page), page.locator(f"#{BOX} [data-part=size]")
    assert slider.input_value() == "1"
    slider.press("]")
    assert slider.input_value() == "3"
    do(page, "grow")
    away(page)
    grown = seen(page)
    assert (grown != before).any(axis=2).sum() == 8, "the eight neighbours of one pixel"
    do(page, "undo")
    assert np.array_equal(seen(page), before)
    do(page, "redo")
    assert np.array_equal(seen(page), grown)
    do(page, "peek")
    through = seen(page)
    marked = (through != grown).any(axis=2)
    assert marked.sum() == 9
    assert (np.ptp(through[marked].astype(int), axis=1) < np.ptp(grown[marked].astype(int), axis=1)).all()
    assert fits(page)
    if size == PHONE:
        heights = page.locator(f"#{BOX} .fg-tool:visible").evaluate_all("all => all.map((one) => one.offsetHeight)")
        assert min(heights) >= 44


def test_a_mask_uploaded_or_dropped_gives_what_the_same_mask_painted_gives(
    visit: Visit, digit: Path, tmp_path: Path
) -> None:
    with Image.open(digit) as picture:
        picture.resize((280, 280), Image.Resampling.NEAREST).save(tmp_path / "large.png")
    page = visit()
    open_tab(page, "Inpaint")
    choose_model(page, "inpaint", "gray")
    set_number(page, "inpaint-num", 2)
    set_number(page, "inpaint-steps", 8)
    upload(page, BOX, tmp_path / "large.png")
    stroke(page, BOX, 0.6)
    share = hidden(page, BOX)
    painted = completions(page)
    (tmp_path / "small.png").write_bytes(painted["mask.png"])
    with Image.open(tmp_path / "small.png") as mask:
        mask.resize((280, 280), Image.Resampling.NEAREST).save(tmp_path / "mask.png")

    do(page, "clear")
    page.set_input_files(f"#{BOX} [data-part=mask-file]", tmp_path / "small.png")
    expect(page.locator(f"#{BOX} canvas")).to_have_attribute("aria-label", re.compile(f"; {share} % to be"))
    assert completions(page) == painted
    do(page, "clear")
    assert hidden(page, BOX) == 0
    drop(page, tmp_path / "mask.png", f"#{BOX} [data-part=mask-drop]")
    expect(page.locator(f"#{BOX} canvas")).to_have_attribute("aria-label", re.compile(f"; {share} % to be"))
    assert completions(page) == painted
    do(page, "undo")
    assert hidden(page, BOX) == 0, "a mask from a file is undone as a stroke is"

    drop(page, digit, f"#{BOX} [data-part=stage]")
    expect(page.locator(f"#{BOX} .fg-caption")).to_contain_text("28 x 28 pixels")


def photograph(path: Path) -> Image.Image:
    """A large picture in which every place looks different."""
    y, x = np.indices((600, 900))
    picture = Image.fromarray(np.stack([x * 255 // 900, y * 255 // 600, (x + y) * 7 % 256], axis=2).astype(np.uint8))
    picture.save(path)
    return picture


def frame_of(page: Page) -> tuple[int, int, int, int]:
    """The part that is seen, as the caption says."""
    caption = page.locator(f"#{BOX} .fg-caption").inner_text()
    found = re.search(r", (\d+) x (\d+) at \((\d+), (\d+)\) seen", caption)
    assert found, caption
    width, height, left, upper = map(int, found.groups())
    return left, upper, left + width, upper + height


def is_seen(page: Page, picture: Image.Image) -> bool:
    levels = to_levels(picture, (3, 32, 32), box=frame_of(page))
    return np.array_equal(seen(page), levels.permute(1, 2, 0).numpy())


@SIZES
def test_a_frame_chooses_the_part_that_the_model_sees(visit: Visit, size: tuple[int, int], tmp_path: Path) -> None:
    picture = photograph(tmp_path / "photo.png")
    page = visit(size)
    open_tab(page, "Inpaint")
    choose_model(page, "inpaint", "colour")
    upload(page, BOX, tmp_path / "photo.png")
    caption = page.locator(f"#{BOX} .fg-caption")
    expect(caption).to_have_text("900 x 600 pixels, seen as 32 x 32 colour")
    do(page, "crop")
    frame = page.locator(f"#{BOX} [data-part=frame]")
    expect(frame).to_be_focused()
    scale = 900 / page.locator(f"#{BOX} [data-part=photo]").evaluate("photo => photo.clientWidth")

    page.mouse.move(*_middle(page, f"#{BOX} [data-corner=se]"))  # a corner makes it smaller
    page.mouse.down()
    corner = _middle(page, f"#{BOX} [data-corner=se]")
    page.mouse.move(corner[0] - 300 / scale, corner[1] - 300 / scale, steps=4)
    page.mouse.up()
    expect(caption).to_contain_text("at (")
    left, upper, right, lower = frame_of(page)
    assert (left, upper) == (150, 0)
    assert abs(right - left - 300) < 2 * scale
    assert right - left == lower - upper
    away(page)
    assert is_seen(page, picture)

    stroke(page, BOX, 0.5)
    share = hidden(page, BOX)
    start = _middle(page, f"#{BOX} [data-part=frame]")
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(start[0] + 2000, start[1], steps=4)  # as far as there is something to see
    page.mouse.up()
    expect(caption).to_contain_text(f"at ({900 - (right - left)}, ")
    assert hidden(page, BOX) < share, "the hole stays on what it was painted over"
    do(page, "clear")
    away(page)
    assert is_seen(page, picture)

    frame.focus()
    for key in ("ArrowLeft", "ArrowLeft", "ArrowDown", "-"):
        page.keyboard.press(key)
    expect(caption).to_contain_text(f"at ({900 - (right - left) - 18}, 36)")
    assert is_seen(page, picture)
    for _ in range(60):
        page.keyboard.press("+")
    expect(caption).to_contain_text("pixels, 600 x 600 at (")
    assert fits(page)
    page.keyboard.press("Escape")
    expect(frame).to_be_hidden()
    expect(page.locator(f"#{BOX} [data-do=crop]")).to_be_focused()


def _middle(page: Page, selector: str) -> tuple[float, float]:
    page.locator(selector).scroll_into_view_if_needed()
    area = page.locator(selector).bounding_box()
    assert area
    return area["x"] + area["width"] / 2, area["y"] + area["height"] / 2


def test_a_finger_moves_the_frame(visit: Visit, tmp_path: Path) -> None:
    photograph(tmp_path / "photo.png")
    page = visit(PHONE)
    open_tab(page, "Inpaint")
    upload(page, BOX, tmp_path / "photo.png")
    do(page, "crop")
    x, y = _middle(page, f"#{BOX} [data-part=frame]")
    finger = page.context.new_cdp_session(page)
    for kind, at in (("touchStart", x), ("touchMove", x - 10), ("touchMove", x - 500)):
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": at, "y": y}]})
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    expect(page.locator(f"#{BOX} .fg-caption")).to_contain_text("600 x 600 at (0, 0)")


@SIZES
def test_a_digit_is_drawn_from_nothing_and_filled_in(visit: Visit, size: tuple[int, int]) -> None:
    page = visit(size)
    open_tab(page, "Inpaint")
    choose_model(page, "inpaint", "gray")
    do(page, "blank")
    ink = page.locator(f"#{BOX} [data-do=ink]")
    expect(ink).to_have_attribute("aria-pressed", "true")
    stroke(page, BOX, 0.3)
    stroke(page, BOX, 0.7)
    away(page)
    drawn = seen(page)
    assert (drawn[..., :1] == drawn).all(), "ink is gray, a hole would not be"
    assert drawn[8, 14].min() > 200
    assert drawn[14].max() == 0
    assert ((drawn > 0) & (drawn < 200)).any(), "its edge is soft"
    do(page, "undo")
    assert seen(page)[20].max() == 0
    do(page, "redo")
    do(page, "brush")
    stroke(page, BOX, 0.5)
    assert hidden(page, BOX) > 5
    set_number(page, "inpaint-num", 1)
    set_number(page, "inpaint-steps", 8)
    with Image.open(io.BytesIO(completions(page)["image.png"])) as image:
        assert np.array_equal(np.asarray(image), drawn[..., 0])


def test_ink_is_only_for_what_was_drawn(visit: Visit, digit: Path) -> None:
    page = visit()
    open_tab(page, "Inpaint")
    do(page, "blank")
    expect(page.locator(f"#{BOX} [data-do=ink]")).to_be_visible()
    upload(page, BOX, digit)
    expect(page.locator(f"#{BOX} [data-do=ink]")).to_be_hidden()
    expect(page.locator(f"#{BOX} [data-do=brush]")).to_have_attribute("aria-pressed", "true")


@pytest.fixture
def lens(browser: Browser, studio: str) -> Iterator[Page]:
    """A page of a browser that has a camera, which sees a moving pattern."""
    flags = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    other = launch_chromium(browser.browser_type, *flags)
    page = other.new_page(viewport={"width": DESKTOP[0], "height": DESKTOP[1]})
    complaints: list[str] = []
    page.on("console", lambda message: message.type == "error" and complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(studio)
    yield page
    other.close()
    assert complaints == []


def test_the_camera_takes_a_picture(lens: Page) -> None:
    open_tab(lens, "Inpaint")
    do(lens, "camera")
    expect(lens.locator(f"#{BOX} video")).to_be_visible()
    lens.keyboard.press("Escape")
    expect(lens.locator(f"#{BOX} video")).to_be_hidden()
    do(lens, "camera")
    expect(lens.locator(f"#{BOX} [data-do=take]")).to_be_focused()
    lens.keyboard.press("Enter")
    expect(lens.locator(f"#{BOX} .fg-caption")).to_contain_text("640 x 480 pixels, seen as")
    expect(lens.locator(f"#{BOX} video")).to_be_hidden()
    assert lens.locator(f"#{BOX} video").evaluate("video => video.srcObject.active") is False, "its light is off"
    assert len(np.unique(seen(lens))) > 10


def test_without_a_camera_there_is_no_button_for_it(visit: Visit) -> None:
    page = visit()
    open_tab(page, "Inpaint")
    expect(page.locator(f"#{BOX} [data-do=sample]")).to_be_visible()
    expect(page.locator(f"#{BOX} [data-do=camera]")).to_be_hidden()


def test_a_large_mask_in_another_place_hides_only_what_is_in_the_frame(
    visit: Visit, mnist: Images, tmp_path: Path
) -> None:
    sheet, mask = Image.new("L", (120, 60)), Image.new("L", (120, 60))
    sheet.paste(from_levels(mnist.levels[0]), (46, 16))
    mask.paste(255, (0, 0, 60, 60))
    sheet.save(tmp_path / "sheet.png")
    mask.save(tmp_path / "mask.png")
    page = visit()
    open_tab(page, "Inpaint")
    choose_model(page, "inpaint", "gray")
    upload(page, BOX, tmp_path / "sheet.png")
    page.set_input_files(f"#{BOX} [data-part=mask-file]", tmp_path / "mask.png")
    expect(page.locator(f"#{BOX} canvas")).to_have_attribute("aria-label", re.compile("; 50 % to be filled in"))
    marked = np.ptp(seen(page).astype(int), axis=2) > 0
    assert marked[:, :14].all()
    assert not marked[:, 14:].any()
    assert torch.equal(to_levels(sheet, (1, 28, 28)), to_levels(sheet, (1, 28, 28), box=(30, 0, 90, 60)))
