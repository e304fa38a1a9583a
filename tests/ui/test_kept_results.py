"""The last result of each tab outlives the page, in the browser alone."""

import re
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Request, Route, expect

from .conftest import PATIENCE, Visit
from .test_editor import BOX, photograph
from .test_page import choose_model, open_tab, set_number, stroke, upload
from .test_photo import GALLERY, fill_in

expect.set_options(timeout=PATIENCE)
pytestmark = pytest.mark.browser

FULL = "() => { IDBObjectStore.prototype.put = () => { throw new DOMException('full', 'QuotaExceededError'); }; }"
UPLOADS_ARE_GONE = """const real = window.fetch;
    window.fetch = (url, how) => (how?.method === "HEAD" ? Promise.resolve({ ok: false }) : real(url, how));"""


def generate(page: Page, number: int) -> None:
    open_tab(page, "Generate")
    choose_model(page, "generate", "gray")
    set_number(page, "generate-num", number)
    page.click("#generate-run")
    expect(page.locator("#generate-result .fg-tile img")).to_have_count(number)
    expect(page.locator("#generate-result a[data-copy]")).to_be_visible()


def html_of(page: Page, tab: str) -> str:
    return page.locator(f"#{tab}-result .fg-results").first.inner_html()


def kept(page: Page, tab: str) -> str:
    """What the browser's database holds of a tab."""
    found = page.evaluate(
        """(tab) => new Promise((resolve) => {
            const opening = indexedDB.open("flowgen");
            opening.onsuccess = () => {
                const asked = opening.result.transaction("results").objectStore("results").get(tab);
                asked.onsuccess = () => (opening.result.close(), resolve(asked.result || ""));
            };
        })""",
        tab,
    )
    return str(found)


def wait_until_kept(page: Page, tab: str, text: str) -> None:
    for _ in range(100):
        if text in kept(page, tab):
            return
        page.wait_for_timeout(100)
    pytest.fail(f"{text!r} of {tab} is not kept")


def test_a_tab_chosen_before_the_server_has_answered_is_the_one_after_a_refresh(browser: Browser, studio: str) -> None:
    with closing(browser.new_context()) as context:
        page, held = context.new_page(), list[Route]()
        page.route("**/gradio_api/queue/join*", lambda route: held.append(route))
        page.goto(studio)
        page.get_by_role("tab", name="Score", exact=True).click()
        page.wait_for_function("(localStorage.flowgen || '').includes('Score')")
        assert held
        page.unroute_all()
        page.reload()
        expect(page.get_by_role("tab", name="Score", exact=True)).to_have_attribute("aria-selected", "true")


def test_results_outlive_a_refresh_and_another_language_without_passing_the_server(visit: Visit, digit: Path) -> None:
    page = visit()
    generate(page, 3)
    shown = {"generate": html_of(page, "generate")}
    open_tab(page, "Interpolate")
    page.get_by_role("button", name="From a 3 to an 8").click()
    expect(page.locator("#interpolate-result .fg-links a")).to_have_count(4)
    shown["interpolate"] = html_of(page, "interpolate")
    open_tab(page, "Score")
    page.click("#score-blank")
    expect(page.locator("#score-result")).to_contain_text("Where the bits go")
    for tab in ("Generate", "Interpolate", "Score"):
        wait_until_kept(page, tab, "fg-")
    shown["score"] = html_of(page, "score")

    sent: list[str] = []
    page.on("request", lambda request: sent.append(_body(request)))
    page.reload()
    for tab in ("Score", "Interpolate", "Generate"):
        open_tab(page, tab)
        expect(page.locator(f"#{tab.lower()}-result .fg-results").first).to_be_visible()
        assert html_of(page, tab.lower()) == shown[tab.lower()]
    assert not [body for body in sent if "fg-tile" in body], "what the browser kept went through the server"
    page.click("[data-lang=zh-CN]")
    expect(page.locator("#generate-run")).to_have_text("生成")
    expect(page.locator("#generate-result .fg-tile img")).to_have_count(3)


def _body(request: Request) -> str:
    return (request.post_data_buffer or b"").decode(errors="replace")


def test_the_gallery_of_a_photograph_outlives_a_refresh(visit: Visit, tmp_path: Path) -> None:
    photograph(tmp_path / "photo.png")
    page = visit()
    open_tab(page, "Inpaint")
    choose_model(page, "inpaint", "colour")
    upload(page, BOX, tmp_path / "photo.png")
    stroke(page, BOX, 0.5)
    fill_in(page, 3)
    page.locator(f"{GALLERY} .fg-variant").nth(2).click()
    page.locator(f"{GALLERY} [data-part=feather]").fill("1")
    png = page.locator(f"{GALLERY} [data-part=png]").get_attribute("href")
    wait_until_kept(page, "Inpaint", '"feather":1')
    assert '"selected":2' in kept(page, "Inpaint")
    assert "data:image/jpeg" not in kept(page, "Inpaint").partition('"variants"')[2], (
        "the pasted photograph is made anew"
    )

    page.reload()
    open_tab(page, "Inpaint")
    expect(page.locator(f"{GALLERY} .is-photo")).to_be_visible()
    expect(page.locator("#inpaint-result .fg-status")).to_contain_text("step 8 of 8")
    expect(page.locator(f"{GALLERY} .fg-variant").nth(2)).to_have_attribute("aria-pressed", "true")
    assert page.locator(f"{GALLERY} [data-part=feather]").input_value() == "1"
    assert page.locator(f"{GALLERY} [data-part=png]").get_attribute("href") == png

    page.add_init_script(UPLOADS_ARE_GONE)
    page.reload()
    open_tab(page, "Inpaint")
    expect(page.locator(f"{GALLERY} [data-part=after]")).to_have_attribute("src", png or "")
    expect(page.locator(f"{GALLERY} [data-part=photo-tools]")).to_be_hidden()
    page.click(f"{GALLERY} [data-do=use]")
    expect(page.locator(f"#{BOX} .fg-caption")).to_have_text("variant #2")


def test_a_link_shows_no_old_result_but_keeps_its_own(visit: Visit) -> None:
    page = visit()
    generate(page, 2)
    wait_until_kept(page, "Generate", "Copy link")
    link = page.locator("#generate-result a[data-copy]").get_attribute("href") or ""
    page.goto(re.sub(r"/\?.*", "/", page.url) + link)
    expect(page.locator("#generate-result")).to_contain_text("A link has set everything")
    page.click("#generate-run")
    expect(page.locator("#generate-result .fg-tile img")).to_have_count(2)
    wait_until_kept(page, "Generate", '"link":"tab=Generate')
    page.reload()
    expect(page.locator("#generate-result .fg-tile img")).to_have_count(2)


def test_a_result_that_the_browser_does_not_take_is_forgotten_and_all_else_goes_on(visit: Visit) -> None:
    page = visit()
    told: list[str] = []
    page.on("console", lambda message: told.append(message.text))
    generate(page, 2)
    wait_until_kept(page, "Generate", "Copy link")
    page.evaluate(FULL)
    generate(page, 3)
    for _ in range(100):
        if told and not kept(page, "Generate"):
            break
        page.wait_for_timeout(100)
    assert "does not keep the result" in told[0]
    page.reload()
    expect(page.locator("#generate-num input").first).to_have_value("3")
    expect(page.locator("#generate-result")).to_contain_text("Press Generate.")
