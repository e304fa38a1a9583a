"""The page for those who use no mouse, see little, want no motion, or have a thumb for a pointer."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from flowgen.ui import TABS

from .conftest import DESKTOP, PATIENCE, PHONE, Visit
from .test_page import hidden, open_tab, set_number

pytestmark = pytest.mark.browser
expect.set_options(timeout=PATIENCE)

# Every pair of size, theme and language.
VIEWS = [
    (DESKTOP, False, "en"),
    (DESKTOP, True, "zh-CN"),
    (PHONE, True, "en"),
    (PHONE, False, "zh-CN"),
]
# Gradio's own, by the rule and the start of the selector; there is nothing at present.
GRADIO: dict[str, tuple[str, ...]] = {}


def violations(page: Page) -> list[str]:
    """What axe-core finds that keeps somebody out, in a line each."""
    found: list[dict[str, Any]] = Axe().run(page).response["violations"]
    return [
        f"{violation['id']}: {node['target']} {node['html'][:200]}"
        for violation in found
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
        if not str(node["target"][0]).startswith(GRADIO.get(violation["id"], ("\0",)))
    ]


def show_tab(page: Page, number: int, name: str) -> None:
    page.locator("[role=tab][id]").nth(number).click()
    page.wait_for_selector(f"#tab-{name.lower()} .fg-lead:visible")


@pytest.mark.parametrize(("size", "dark", "language"), VIEWS)
def test_axe_finds_nothing_that_keeps_somebody_out(
    visit: Visit, size: tuple[int, int], dark: bool, language: str
) -> None:
    page = visit(size, dark=dark, address=f"?lang={language}")
    for number, name in enumerate(TABS):
        show_tab(page, number, name)
        assert violations(page) == [], name


@pytest.mark.parametrize(("size", "dark"), [(DESKTOP, False), (PHONE, True)])
def test_axe_finds_nothing_in_results_either(visit: Visit, size: tuple[int, int], dark: bool) -> None:
    page = visit(size, dark=dark)
    set_number(page, "generate-num", 3)
    page.click("#generate-run")
    expect(page.locator("#generate-result a[data-copy]")).to_be_visible()
    assert violations(page) == []
    open_tab(page, "Interpolate")
    page.get_by_role("button", name="From a 3 to an 8").click()
    expect(page.locator("#interpolate-result .fg-strip")).to_have_count(2)
    assert violations(page) == []
    open_tab(page, "Inpaint")
    page.get_by_role("button", name="An 8 without its lower half").click()
    expect(page.locator("#inpaint-result .fg-verdict")).to_be_visible()
    assert violations(page) == []
    open_tab(page, "Score")
    page.click("#score-blank")
    expect(page.locator("#score-result .fg-heat i").first).to_be_visible()
    assert violations(page) == []


SEEN_FOCUS = """() => {
    const style = getComputedStyle(document.activeElement);
    return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
}"""


def tab_to(page: Page, selector: str) -> None:
    """Press Tab until something is reached, and see that it shows it."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            assert page.evaluate(SEEN_FOCUS), f"{selector} has the focus, and nobody can see it"
            return
    pytest.fail(f"{selector} cannot be reached by the Tab key")


def test_keys_alone_sample_and_fill_in(visit: Visit) -> None:
    page = visit()
    tab_to(page, "#generate-num input[type=number]")
    page.keyboard.press("ArrowDown")
    tab_to(page, "#generate-run")
    page.keyboard.press("Enter")
    expect(page.locator("#generate-result .fg-tile img")).to_have_count(23)

    page.evaluate("document.activeElement.blur(); window.getSelection().removeAllRanges()")
    page.locator("header a").last.focus()
    tab_to(page, "[role=tab]")
    while page.evaluate("document.activeElement.id") != "tab-inpaint-button":
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("#inpaint-run")
    tab_to(page, "#inpaint-picture [data-do=sample]")
    page.keyboard.press("Space")
    page.wait_for_selector("#inpaint-picture .fg-stage:not(.is-empty)")
    tab_to(page, "#inpaint-picture canvas")
    for key in ("ArrowUp", "Space", "ArrowRight", "Space", "ArrowRight", "Space"):
        page.keyboard.press(key)
    assert hidden(page, "inpaint-picture") > 0
    tab_to(page, "#inpaint-num input[type=number]")
    page.keyboard.press("Control+a")
    page.keyboard.type("2")
    tab_to(page, "#inpaint-run")
    page.keyboard.press("Enter")
    expect(page.locator("#inpaint-result .fg-verdict")).to_be_visible()


SMALL = """() => [...document.querySelectorAll('a, button, label.fg-tool, input:not([type=range], [type=file])')]
    .filter((element) => element.checkVisibility({ visibilityProperty: true, opacityProperty: true }))
    .filter((element) => !element.closest('[aria-hidden=true], .visually-hidden'))
    .map((element) => element.closest('label, .wrap') ?? element)
    .map((element) => [element.id || element.textContent.trim() || element.className, element.getBoundingClientRect()])
    .filter(([, box]) => box.width > 0 && (box.height < 43.5 || box.width < 43.5))
    .map(([name, box]) => `${name}: ${Math.round(box.width)} x ${Math.round(box.height)}`)"""


def test_thumbs_find_what_they_press(visit: Visit) -> None:
    page = visit(PHONE)
    set_number(page, "generate-num", 3)
    page.click("#generate-run")
    expect(page.locator("#generate-result a[data-copy]")).to_be_visible()
    for number, name in enumerate(TABS):
        show_tab(page, number, name)
        assert page.evaluate(SMALL) == [], name


def test_who_asks_for_less_motion_gets_none(visit: Visit) -> None:
    page = visit()
    page.emulate_media(reduced_motion="reduce")
    open_tab(page, "Interpolate")
    page.get_by_role("button", name="From a 7 to a 2").click()
    film = page.locator("#interpolate-result .fg-film img").first
    expect(film).to_be_visible()
    still = page.locator("#interpolate-result .fg-film source").first.get_attribute("srcset")
    assert film.evaluate("(image) => image.currentSrc") == still
    assert page.evaluate("document.getAnimations().length") == 0
    page.emulate_media(reduced_motion="no-preference")
    expect(film).to_have_js_property("currentSrc", film.get_attribute("src") or "")


def test_every_picture_says_what_it_shows(visit: Visit) -> None:
    page = visit()
    open_tab(page, "Interpolate")
    page.get_by_role("button", name="From a 3 to an 8").click()
    expect(page.locator("#interpolate-result .fg-strip")).to_have_count(2)
    texts = page.locator("#interpolate-result img").evaluate_all("(images) => images.map((image) => image.alt)")
    assert len(texts) == len({*texts}) > 20
    assert all(texts)
