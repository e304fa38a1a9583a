"""What outlives the page: a refresh loses nothing, and a link gives somebody else the same result."""

import re
from pathlib import Path

import gradio as gr
import pytest
from gradio.components import Component
from playwright.sync_api import Page, expect

from flowgen.errors import FlowgenError
from flowgen.ui.kept import Asked, fitting
from flowgen.ui.links import copy_link, packed, unpacked

from .conftest import PATIENCE, Visit
from .test_page import choose_model, decoded, hidden, open_tab, set_number, stroke, upload

expect.set_options(timeout=PATIENCE)

SLIDER = gr.Slider(1, 64, 24, step=1)
FINE = gr.Slider(0, 1.5, 0.8, step=0.05)
SEED = gr.Number(0, precision=0, minimum=0, maximum=99)
LENGTH = gr.Number(0.01, minimum=1e-6, maximum=10)
BOX = gr.Checkbox()
MENU = gr.Dropdown(["a", "b"], value="a")


@pytest.mark.parametrize(
    ("control", "value", "kept"),
    [
        (SLIDER, 5, 5),
        (SLIDER, 5.0, 5),
        (FINE, 0.35, 0.35),
        (SEED, 99, 99),
        (MENU, "b", "b"),
        (gr.Checkbox(), True, True),
    ],
)
def test_a_value_that_a_control_could_have_is_kept(control: Component, value: object, kept: object) -> None:
    assert fitting("it", value, control) == kept


@pytest.mark.parametrize(
    ("control", "value"),
    [
        (SLIDER, 65),
        (SLIDER, 1.5),
        (SLIDER, "5"),
        (SLIDER, [5]),
        (FINE, float("nan")),
        (SEED, -1),
        (SEED, 1e30),
        (MENU, "<script>"),
        (BOX, "yes"),
    ],
)
def test_any_other_value_is_passed_over_with_a_sentence(control: Component, value: object) -> None:
    asked = Asked({"link": True, "values": {"it": value}})
    assert asked.of("it", control) == control.value
    assert asked.refusals[0].startswith("it must be")


@pytest.mark.parametrize("sent", [None, [], "x", {"values": "x"}, {"link": "yes"}])
def test_what_is_no_memory_at_all_asks_for_nothing(sent: object) -> None:
    asked = Asked(sent)
    assert (asked.values, asked.link) == ({}, False)


def test_a_mask_is_packed_into_a_link_and_back() -> None:
    mask = ("0" * 13 + "1") * 56
    assert len(packed(mask)) < 140
    assert unpacked(packed(mask), 784) == mask


@pytest.mark.parametrize("text", ["", "YA", "%%%", "A" * 4000, 7])
def test_a_mask_that_is_none_is_refused(text: object) -> None:
    with pytest.raises(FlowgenError, match="mask is not one"):
        unpacked(text, 784)


def test_a_link_holds_values_as_an_address_does() -> None:
    assert copy_link("Generate", model='x"><script>', label=None, seed=3).startswith(
        '<a href="?tab=Generate&amp;model=x%22%3E%3Cscript%3E&amp;seed=3" data-copy>'
    )


def value_of(page: Page, elem_id: str) -> str:
    return page.locator(f"#{elem_id} input").first.input_value()


@pytest.mark.browser
def test_a_refresh_loses_nothing(visit: Visit, digit: Path) -> None:
    page = visit()
    choose_model(page, "generate", "ordered")
    page.click("#generate-class input")
    page.get_by_role("option", name="7", exact=True).click()
    set_number(page, "generate-num", 5)
    set_number(page, "generate-seed", 41)
    open_tab(page, "Inpaint")
    choose_model(page, "inpaint", "gray")
    page.click("#inpaint-method input")
    page.get_by_role("option", name="MALA", exact=True).click()
    expect(page.locator("#inpaint-about")).to_contain_text("Metropolis-adjusted")
    upload(page, "inpaint-picture", digit)
    stroke(page, "inpaint-picture", 0.6)
    painted = hidden(page, "inpaint-picture")
    set_number(page, "inpaint-num", 3)
    set_number(page, "inpaint-steps", 77)
    expect(page.locator("#inpaint-cost")).to_contain_text("77 steps")

    for _ in range(2):  # what was restored is kept again
        page.reload()
        expect(page.locator("#inpaint-method input")).to_have_value("MALA")
        expect(page.locator("#inpaint-model input")).to_have_value("gray")
        page.wait_for_selector("#inpaint-picture .fg-stage:not(.is-empty)")
        expect(page.locator("#inpaint-cost")).to_contain_text("3 variants, 77 steps")
        assert hidden(page, "inpaint-picture") == painted > 0
        assert (value_of(page, "inpaint-num"), value_of(page, "inpaint-steps")) == ("3", "77")
        expect(page.locator("#inpaint-about")).to_contain_text("Metropolis-adjusted")
    open_tab(page, "Generate")
    expect(page.locator("#generate-model input")).to_have_value("ordered")
    expect(page.locator("#generate-class input")).to_have_value("7")
    assert (value_of(page, "generate-num"), value_of(page, "generate-seed")) == ("5", "41")


def follow(visit: Visit, page: Page, tab: str) -> Page:
    """Open the link of a result as somebody else would."""
    link = page.locator(f"#{tab}-result a[data-copy]").get_attribute("href")
    assert link
    other = visit(address=link)
    expect(other.locator(f"#{tab}-result")).to_contain_text("A link has set everything")
    return other


@pytest.mark.browser
def test_a_link_draws_the_same_samples(visit: Visit) -> None:
    page = visit()
    choose_model(page, "generate", "gray")
    set_number(page, "generate-num", 2)
    set_number(page, "generate-seed", 12)
    page.click("#generate-run")
    expect(page.locator("#generate-result .fg-tile img")).to_have_count(2)
    other = follow(visit, page, "generate")
    other.click("#generate-run")
    expect(other.locator("#generate-result .fg-tile img")).to_have_count(2)
    sources = [each.locator("#generate-result .fg-tile img").last.get_attribute("src") for each in (page, other)]
    assert sources[0] == sources[1]

    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("#generate-result a[data-copy]").click()
    expect(page.locator("#generate-result")).to_contain_text("Link copied")
    assert "seed=12" in page.evaluate("navigator.clipboard.readText()")


@pytest.mark.browser
def test_a_link_walks_between_the_same_samples_and_fills_in_the_same_hole(visit: Visit, digit: Path) -> None:
    page = visit()
    open_tab(page, "Interpolate")
    choose_model(page, "interpolate", "gray")
    for end in ("start", "end"):
        page.click(f"#interpolate-{end} [data-do=sample]")
        page.wait_for_selector(f"#interpolate-{end} .fg-stage:not(.is-empty)")
    set_number(page, "interpolate-frames", 4)
    page.click("#interpolate-run")
    other = follow(visit, page, "interpolate")
    for end in ("start", "end"):
        caption = page.locator(f"#interpolate-{end} .fg-caption").inner_text()
        expect(other.locator(f"#interpolate-{end} .fg-caption")).to_have_text(caption)
    assert value_of(other, "interpolate-frames") == "4"

    open_tab(page, "Inpaint")
    choose_model(page, "inpaint", "gray")
    page.click("#inpaint-picture [data-do=sample]")
    page.wait_for_selector("#inpaint-picture .fg-stage:not(.is-empty)")
    stroke(page, "inpaint-picture", 0.4)
    set_number(page, "inpaint-steps", 5)
    page.click("#inpaint-run")
    expect(page.locator("#inpaint-result .fg-status")).to_contain_text("step 5 of 5")
    other = follow(visit, page, "inpaint")
    other.wait_for_selector("#inpaint-picture .fg-stage:not(.is-empty)")
    assert hidden(other, "inpaint-picture") == hidden(page, "inpaint-picture") > 0
    other.click("#inpaint-run")
    expect(other.locator("#inpaint-result .fg-status")).to_contain_text("step 5 of 5")
    first, again = (decoded(each.locator("#inpaint-gallery [data-part=after]")) for each in (page, other))
    assert (first == again).all()

    upload(page, "inpaint-picture", digit)
    stroke(page, "inpaint-picture", 0.4)
    page.click("#inpaint-run")
    expect(page.locator("#inpaint-result")).to_contain_text("A link cannot hold your picture")


@pytest.mark.browser
def test_a_link_is_a_strangers_word(visit: Visit) -> None:
    page = visit(address="?tab=Generate&model=..%2Fsecret&num=65&temperature=NaN&class=%3Cb%3Ebold&seed=12")
    result = page.locator("#generate-result")
    expect(result).to_contain_text("num must be a whole number from 1 to 64")
    expect(result).to_contain_text(re.compile("class must be one of|class cannot be chosen"))
    expect(result.locator("b")).to_have_count(0)
    assert value_of(page, "generate-num") == "24"
    assert value_of(page, "generate-seed") == "12"
    visit(address="?tab=Nowhere&model=x")


@pytest.mark.browser
def test_an_example_runs_on_a_click(visit: Visit) -> None:
    page = visit()
    open_tab(page, "Inpaint")
    page.get_by_role("button", name="A 3 with a hole in the middle").click()
    expect(page.locator("#inpaint-result .fg-verdict")).to_be_visible()
    assert hidden(page, "inpaint-picture") == 25
    open_tab(page, "Interpolate")
    page.get_by_role("button", name="From a 3 to an 8").click()
    expect(page.locator("#interpolate-result .fg-strip img").first).to_be_visible()
