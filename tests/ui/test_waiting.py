"""What a visitor meets while others compute, while an answer is on its way, and when refused."""

from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Route, expect

from .conftest import DESKTOP, PATIENCE, PHONE, Visit
from .raw import Visitor
from .test_freeing import Running, leave
from .test_page import choose_model, open_tab, set_number

pytestmark = pytest.mark.browser
expect.set_options(timeout=PATIENCE / 4)


QUIET, LIVE = "rgb(95, 103, 121)", "rgb(196, 62, 24)"  # --fg-soft and --fg-hole


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_who_waits_is_told_the_place_and_can_go_on_choosing(
    visit: Visit, studio: str, size: tuple[int, int], digit: Path
) -> None:
    page = visit(size)
    place = page.locator(".fg-place")
    set_number(page, "generate-num", 1)
    page.click("#generate-run")
    expect(page.locator("#generate-result .fg-tile")).to_have_count(1)
    stop = page.locator("#generate-stop")
    expect(stop).to_have_css("color", QUIET)
    with closing(Running(studio, digit)) as run:
        page.click("#generate-run")  # with a result of before still there
        expect(place).to_contain_text("You are number 1 in the queue")
        expect(place).to_be_in_viewport(ratio=1)
        expect(stop).to_have_css("color", LIVE)
        open_tab(page, "Inpaint")
        expect(place).to_be_in_viewport(ratio=1)
        choose_model(page, "inpaint", "gray")
        expect(page.locator("#inpaint-method input")).to_have_value("Gradient ascent", timeout=5000)
        page.click("#inpaint-method input")
        page.get_by_role("option", name="pCN", exact=True).click()
        expect(page.locator("#inpaint-about")).to_contain_text("Crank-Nicolson", timeout=5000)
        leave(run)
        expect(place).to_be_hidden()
        expect(page.locator("#inpaint-cost")).to_contain_text("answers within 5 s:", timeout=PATIENCE)


def test_a_menu_stays_shut_while_its_entries_are_on_their_way(visit: Visit, studio: str) -> None:
    with Visitor(studio) as visitor:
        named = visitor.functions()
        (number,) = (each["id"] for name, each in named.items() if "page_offer" in name and len(each["inputs"]) > 1)
    page = visit()
    open_tab(page, "Inpaint")
    choose_model(page, "inpaint", "gray")
    method = page.locator("#inpaint-method")
    expect(method.locator("input")).to_have_value("Gradient ascent")
    expect(method).not_to_have_attribute("inert", "")
    kept, answered = list[Route](), list[bool]()

    def keep(route: Route) -> None:
        mine = (route.request.post_data_json or {}).get("fn_index") == number
        kept.append(route) if mine and not answered else route.continue_()

    page.route("**/gradio_api/queue/join*", keep)
    choose_model(page, "inpaint", "ordered")
    expect(method).to_have_attribute("inert", "")
    method.locator("input").click(force=True)
    expect(page.get_by_role("option")).to_have_count(0)
    answered.append(True)
    for route in kept:
        route.continue_()
    expect(method.locator("input")).to_have_value("Raster SMC")
    expect(method).not_to_have_attribute("inert", "")

    method.locator("input").focus()  # one that was open before
    expect(page.get_by_role("option")).not_to_have_count(0)
    page.evaluate("flowgen.hold('inpaint-method', 'another model')")
    expect(page.get_by_role("option")).to_have_count(0)
    page.evaluate("flowgen.release('inpaint-method')")
    expect(page.get_by_role("option")).not_to_have_count(0)


def test_keys_leave_a_menu_shut_and_walk_along_the_tabs(visit: Visit) -> None:
    page = visit()
    open_tab(page, "Inpaint")
    page.locator("#inpaint-method input").focus()
    expect(page.get_by_role("option").first).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.locator("#inpaint-preset input:focus")).to_have_count(1)
    expect(page.get_by_role("option")).to_have_count(0)
    page.get_by_role("tab", name="Inpaint", exact=True).focus()
    for way, name in (
        ("Right", "Edit"),
        ("Right", "Score"),
        ("Right", "Models"),
        ("Right", "Generate"),
        ("Left", "Models"),
    ):
        page.keyboard.press(f"Arrow{way}")
        expect(page.get_by_role("tab", selected=True)).to_have_text(name)


def test_the_stream_of_answers_outlives_the_last_of_them(visit: Visit) -> None:
    """Else what is asked in the moment in which it closes gets no answer."""
    page = visit()
    open_tab(page, "Interpolate")
    choose_model(page, "interpolate", "gray")
    streams: list[str] = []
    page.on("request", lambda request: streams.append(request.url) if "/queue/data" in request.url else None)
    for end in ("start", "end"):
        page.click(f"#interpolate-{end} [data-do=sample]")
        page.wait_for_selector(f"#interpolate-{end} .fg-stage:not(.is-empty)")
    assert len(streams) <= 1


def test_a_refusal_is_one_sentence_in_the_visitors_language_and_covers_nothing(visit: Visit) -> None:
    page = visit(address="?lang=zh-CN")
    page.get_by_role("tab").nth(2).click()
    page.click("#inpaint-run")
    expect(page.locator(".toast-title")).to_have_text("出错了")
    expect(page.locator(".toast-body")).to_contain_text("还没有图片")
    expect(page.locator("[data-testid=status-tracker] > .error")).not_to_have_count(0)
    for pill in page.locator("[data-testid=status-tracker] > .error").all():
        expect(pill).to_be_hidden()


SLOW_FIRST = """() => {
    const Own = Image;
    let made = 0, showFirst = null;
    window.Image = function () {
        const image = new Own();
        window.made = ++made;
        if (made === 1) Object.defineProperty(image, "onload", { set: (show) => (showFirst = show) });
        else image.addEventListener("load", () => setTimeout(() => { showFirst(); window.late = true; }, 300));
        return image;
    };
}"""


def test_a_picture_that_is_decoded_late_does_not_take_the_place_of_the_next(
    visit: Visit, digit: Path, tmp_path: Path
) -> None:
    Image.new("L", (28, 28), 255).save(tmp_path / "white.png")
    page = visit()
    open_tab(page, "Inpaint")
    choose_model(page, "inpaint", "gray")
    page.evaluate(SLOW_FIRST)
    page.set_input_files("#inpaint-picture [data-part=file]", digit)
    page.wait_for_function("window.made === 1")
    page.set_input_files("#inpaint-picture [data-part=file]", tmp_path / "white.png")
    page.wait_for_function("window.late")
    canvas = page.locator("#inpaint-picture canvas")
    shown = canvas.evaluate("canvas => [...canvas.getContext('2d').getImageData(0, 0, 28, 28).data]")
    assert len(set(zip(shown[::4], shown[1::4], shown[2::4], strict=True))) == 1, "one colour, and no digit"
