"""The Models tab: cards, samples when they are asked for, and a damaged file that takes nobody down."""

import dataclasses
import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import expect

from flowgen.checkpoint import count_numbers, read_meta, rewrite_meta
from flowgen.errors import FlowgenError
from flowgen.library import Library
from flowgen.ui import models
from flowgen.ui.model_card import TEMPERATURES
from flowgen.ui.models import Cards

from .conftest import DESKTOP, PHONE, Visit
from .test_page import fits


@pytest.fixture
def library(checkpoints: Path, tmp_path: Path) -> Library:
    for path in checkpoints.iterdir():
        shutil.copy(path, tmp_path)
    return Library(tmp_path, device="cpu")


def card_of(cards: Cards, name: str, shown: list[str]) -> str:
    """One card's text, without its tags."""
    found = re.search(rf'data-model="{name}">(.*?)</article>', cards.value(shown)["html"], re.DOTALL)
    assert found
    return re.sub(r"<[^>]+>", " ", found[1])


def test_a_card_says_what_is_known(library: Library) -> None:
    text = card_of(Cards(library), "gray", [])
    meta = library.describe("gray")
    assert f"{meta.bits_per_dim:.4f}" in text
    assert "32 images" in text, "the protocol"
    assert "mnist, 28 x 28 gray, 256 levels" in text
    assert "Apache-2.0" in text
    assert library.fingerprint("gray")[:12] in text
    numbers = sum(parameter.numel() for parameter in library.load("gray").parameters())
    assert f"{numbers:,} numbers" in text


def test_a_damaged_file_is_a_sentence_in_its_place(library: Library) -> None:
    text = card_of(Cards(library), "damaged", [])
    assert "The checkpoint 'damaged' is damaged, or no safetensors file; fetch it again." in text.replace("&#x27;", "'")
    assert "Use in Generate" not in text


def test_what_a_checkpoint_says_of_itself_is_no_markup(library: Library) -> None:
    path = library.directory / "gray.safetensors"
    evil = "<img src=x onerror=alert(1)>"
    rewrite_meta(path, dataclasses.replace(read_meta(path), dataset=evil, licence=evil, processor=evil, protocol=evil))
    assert "<img src=x" not in Cards(library).value([])["html"]


def test_samples_come_a_temperature_at_a_time_and_are_kept(library: Library) -> None:
    cards = Cards(library)
    seen = [cards.value(["gray"])["html"].count("<figcaption>T = ") for _ in cards.draw("gray")]
    assert seen == [1, 2, 3, 4]
    assert list(cards.draw("gray")) == [], "they are in memory"
    assert "T = " not in card_of(cards, "gray", []), "nobody asked for them here"


def test_samples_of_a_file_that_was_replaced_are_drawn_anew(library: Library) -> None:
    cards = Cards(library)
    list(cards.draw("gray"))
    before = cards.value(["gray"])["html"]
    path = library.directory / "gray.safetensors"
    rewrite_meta(path, dataclasses.replace(read_meta(path), licence="another"))
    after = cards.value(["gray"])["html"]
    assert "T = " in before
    assert "T = " not in after
    assert library.fingerprint("gray")[:12] in after
    assert len(list(cards.draw("gray"))) == len(TEMPERATURES)


def test_a_slow_model_keeps_the_worker_no_longer_than_the_limit(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "SECONDS", 0.0)
    cards = Cards(library)
    assert list(cards.draw("gray")) == []
    assert "Show samples" in card_of(cards, "gray", ["gray"])


def test_numbers_are_counted_without_reading_the_weights(checkpoints: Path) -> None:
    assert count_numbers(checkpoints / "gray.safetensors") > 1000
    with pytest.raises(FlowgenError, match="damaged"):
        count_numbers(checkpoints / "damaged.safetensors")


@pytest.mark.browser
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_visitor_looks_at_a_models_samples_and_takes_it_to_generate(visit: Visit, size: tuple[int, int]) -> None:
    page = visit(size)
    page.get_by_role("tab", name="Models", exact=True).click()
    expect(page.locator("#models-cards .fg-card")).to_have_count(4)
    expect(page.locator("[data-model=damaged]")).to_contain_text("fetch it again")
    gray = page.locator("[data-model=gray]")
    gray.get_by_text("Show samples").click()
    expect(gray.locator(".fg-sheets img")).to_have_count(len(TEMPERATURES))
    assert fits(page)
    gray.get_by_text("Use in Generate").click()
    expect(page.locator("#generate-run")).to_be_visible()
    expect(page.locator("#generate-model input")).to_have_value("gray")
