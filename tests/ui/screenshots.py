"""Take the pictures in docs/ of the running studio with the models in checkpoints/: python -m tests.ui.screenshots.

The page names its languages in their own letters, so that a font with Chinese ones is wanted (fonts-wqy-microhei).
"""

import io
import itertools
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from playwright.sync_api import Page, sync_playwright

from flowgen.ui.model_card import TEMPERATURES
from tests.ui.conftest import DESKTOP, PATIENCE, PHONE, launch_chromium, serve

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"
SIZES = {"desktop": DESKTOP, "phone": PHONE}
THEMES = ("light", "dark")
COLOURS = 256  # of a picture in the repository, which is to stay small


def generate(page: Page, digits: list[Path]) -> None:
    page.click("#generate-run")
    page.wait_for_selector("#generate-result .fg-tile")


def interpolate(page: Page, digits: list[Path]) -> None:
    for box, digit in zip(("start", "end"), digits[1:], strict=False):
        _upload(page, f"interpolate-{box}", digit)
    page.click("#interpolate-run")
    page.wait_for_selector("#interpolate-result .fg-strip")


def inpaint(page: Page, digits: list[Path]) -> None:
    _upload(page, "inpaint-picture", digits[0])
    for height in (0.58, 0.68, 0.78, 0.86):
        _stroke(page, height)
    page.locator("#inpaint-preset").get_by_text("Balanced").click()
    page.wait_for_function("document.querySelector('#inpaint-cost')?.textContent.includes('Balanced')")
    page.click("#inpaint-run")
    page.wait_for_selector("#inpaint-result .fg-verdict")


def edit(page: Page, digits: list[Path]) -> None:
    page.click("#edit-picture [data-do=sample]")
    page.wait_for_selector("#edit-picture .fg-stage:not(.is-empty)")
    page.locator("#edit-amount-0 input[type=number]").fill("1.5")
    page.locator("#edit-amount-0 input[type=number]").press("Tab")
    page.click("#edit-run")
    page.wait_for_selector("#edit-result .fg-strip")


def score(page: Page, digits: list[Path]) -> None:
    _upload(page, "score-picture", digits[1])
    page.click("#score-run")
    page.wait_for_selector("#score-result .fg-score")
    page.wait_for_function("!document.querySelector('#score-result .fg-none, #score-result .fg-bar')")


def models(page: Page, digits: list[Path]) -> None:
    page.wait_for_timeout(3000)  # the cards are made anew once the page has asked for them
    for name in ("gated_pixelcnn-mnist", "glow-mnist"):
        card = page.locator(f"[data-model={name}]")
        sheets, more = card.locator(".fg-sheets figure"), card.locator("[data-do=sample]")
        while sheets.count() < len(TEMPERATURES):  # a slow machine draws a few at a time
            if more.count() and more.is_enabled():
                more.click()
            page.wait_for_timeout(500)


TABS: dict[str, Callable[[Page, list[Path]], None]] = {
    "Generate": generate,
    "Interpolate": interpolate,
    "Inpaint": inpaint,
    "Edit": edit,
    "Score": score,
    "Models": models,
}


def main() -> None:
    """Photograph every tab, or those named on the command line, at every size, light and dark, and the README's."""
    wanted = [name for name in TABS if name.lower() in sys.argv[1:]] or list(TABS)
    (DOCS / "screenshots").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        digits = _digits(Path(folder))
        browser = launch_chromium(playwright.chromium)
        with serve(ROOT / "checkpoints", Path(folder) / "log.txt") as studio:
            for name, (device, (width, height)) in itertools.product(wanted, SIZES.items()):
                page = browser.new_page(viewport={"width": width, "height": height}, device_scale_factor=1)
                page.set_default_timeout(5 * PATIENCE)
                page.goto(f"{studio}/?lang=en&__theme=light")
                page.get_by_role("tab", name=name, exact=True).click()
                page.wait_for_selector(f"#{name.lower()}-run, #{name.lower()}-cards .fg-card")
                TABS[name](page, digits)
                for theme in THEMES:
                    page.evaluate("(dark) => document.body.classList.toggle('dark', dark)", theme == "dark")
                    _photograph(page, DOCS / "screenshots" / f"{name.lower()}-{device}-{theme}.png")
                    if (name, device, theme) == ("Inpaint", "desktop", "light"):
                        _photograph(page, DOCS / "screenshot.png")
                page.close()
        browser.close()


def _photograph(page: Page, path: Path) -> None:
    page.mouse.move(0, 0)
    page.evaluate("window.scrollTo(0, 0); document.activeElement?.blur()")
    page.evaluate("document.fonts.ready.then(() => true)")
    page.wait_for_timeout(500)
    with Image.open(io.BytesIO(page.screenshot(full_page=True))) as taken:
        taken.convert("RGB").quantize(COLOURS, Image.Quantize.MEDIANCUT).save(path, optimize=True)
    sys.stdout.write(f"{path.relative_to(ROOT)}\n")


def _digits(folder: Path) -> list[Path]:
    """An 8 in ink on paper, as a visitor would photograph it, then a 3 and an 8 as the models know them."""
    with np.load(ROOT / "tests" / "fixtures" / "mnist.npz") as arrays:
        digits = [Image.fromarray(digit) for digit in arrays["levels"][[61, 30, 110], 0]]
    digits[0] = ImageOps.invert(digits[0]).resize((280, 280), Image.Resampling.BICUBIC)
    paths = [folder / f"{i}.png" for i in range(len(digits))]
    for path, digit in zip(paths, digits, strict=True):
        digit.save(path)
    return paths


def _upload(page: Page, box: str, file: Path) -> None:
    page.set_input_files(f"#{box} [data-part=file]", file)
    page.wait_for_selector(f"#{box} .fg-stage:not(.is-empty)")
    page.wait_for_timeout(300)


def _stroke(page: Page, height: float) -> None:
    area = page.locator("#inpaint-picture canvas").bounding_box()
    assert area
    y = area["y"] + height * area["height"]
    page.mouse.move(area["x"] + 0.2 * area["width"], y)
    page.mouse.down()
    page.mouse.move(area["x"] + 0.8 * area["width"], y, steps=6)
    page.mouse.up()


if __name__ == "__main__":
    main()
