"""The Score tab: what it shows of a picture, of its map and of what likelihood is not."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import expect

from flowgen.data import Images
from flowgen.errors import FlowgenError
from flowgen.library import Library
from flowgen.ui import heat
from flowgen.ui.picture import empty, filled
from flowgen.ui.score import run_of
from flowgen.ui.scoring import LANDMARKS, landmark, landmarks
from flowgen.ui.stops import Stopped

from .conftest import DESKTOP, PHONE, Visit
from .test_page import EVERY_MODEL, decoded, fits, open_tab, upload

SIZES = pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])


@pytest.fixture
def library(checkpoints: Path) -> Library:
    return Library(checkpoints, device="cpu")


def box(mnist: Images) -> dict[str, Any]:
    return filled(mnist.levels[0], 256, "a seven")


def test_exact_maps_come_at_once_and_the_flows_after_them(library: Library, mnist: Images) -> None:
    asking, first, *_, last = run_of(library, box(mnist), check=lambda: None)
    assert "asking 3 models" in asking
    assert first.count("map to come") == 1, "colour, a flow, follows gray, a flow"
    assert "which add up to" in first
    assert "mapping gray" in first or "mapping colour" in first
    assert "map to come" not in last
    assert "mapping" not in last
    assert last.count("at least, all others known") == 2


def test_a_stop_leaves_the_scores_and_the_maps_there_are(library: Library, mnist: Images) -> None:
    shown: list[str] = []

    def stop() -> None:
        if len(shown) > 1:  # the exact maps are there, and a flow's has begun
            raise Stopped("Stopped before anything had come.")

    for each in run_of(library, box(mnist), check=stop):
        shown.append(each)  # noqa: PERF402  the check looks at the list while it grows
    assert "Stopped before every map was whole" in shown[-1]
    assert shown[-1].count("bits/dim</b>") == EVERY_MODEL
    assert "which add up to" in shown[-1]


def test_an_empty_box_is_refused(library: Library) -> None:
    with pytest.raises(FlowgenError, match="no picture yet"):
        next(run_of(library, empty(), check=lambda: None))


def test_brighter_is_more_to_every_eye() -> None:
    bits = torch.linspace(0, 8, 784, dtype=torch.float64).view(1, 28, 28)
    with Image.open(io.BytesIO(heat.heat_map(bits))) as picture:
        gray = np.asarray(picture.convert("L")).flatten().astype(int)
    assert gray[0] < 5
    assert gray[-1] > 230
    assert (np.diff(gray) >= -1).all(), "the map reads the same without colours"


def test_the_legend_says_what_the_brightest_colour_stands_for() -> None:
    bits = torch.zeros(3, 28, 28, dtype=torch.float64)
    assert heat.top(bits) == 1, "a map of nothing is black, not noise stretched over all colours"
    bits[:, :14] = 2.0
    assert "6.0 bits" in heat.figure(bits, "x"), "a pixel's colours are added up"
    bits[0, 0, 0] = 90.0
    assert "6.0+ bits" in heat.figure(bits, "x"), "one pixel does not darken all others"


def test_the_landmarks_are_what_they_are_called(library: Library) -> None:
    assert not landmark(library, "gray", "blank").any()
    noise = landmark(library, "colour", "noise").double()
    assert noise.shape == (3, 32, 32)
    assert float(noise.mean()) == pytest.approx(127.5, abs=5)
    assert torch.equal(landmark(library, "ordered", "a draw"), landmark(library, "ordered", "a draw"))
    assert [each.name for each in landmarks(library, "gray")] == list(LANDMARKS)


def test_to_the_models_here_the_blank_picture_is_likelier_than_any_digit(mnist: Images) -> None:
    *_, shown = run_of(Library(device="cpu"), box(mnist), check=lambda: None)
    assert "likelier than any of the test images, and like none of them" in shown
    order = [shown.index(f"<span>{name}</span>") for name in ("blank", "yours", "noise")]
    assert order == sorted(order)


@pytest.mark.browser
@SIZES
def test_a_visitor_sees_where_the_bits_go(visit: Visit, size: tuple[int, int], digit: Path) -> None:
    page = visit(size)
    open_tab(page, "Score")
    upload(page, "score-picture", digit)
    page.click("#score-run")
    maps = page.locator("#score-result .fg-heat img")
    expect(maps).to_have_count(EVERY_MODEL)
    assert decoded(maps.first).shape[2] == 3
    expect(page.locator("#score-result .fg-ladder figure")).to_have_count(4)
    expect(page.locator("#score-result .fg-ladder .is-yours")).to_have_count(1)
    assert fits(page)


@pytest.mark.browser
@SIZES
def test_an_example_is_scored_on_a_click(visit: Visit, size: tuple[int, int]) -> None:
    page = visit(size)
    open_tab(page, "Score")
    page.click("#score-noise")
    expect(page.locator("#score-picture .fg-caption")).to_have_text("uniform noise")
    expect(page.locator("#score-result .fg-heat img")).to_have_count(EVERY_MODEL)
    page.click("#score-blank")
    expect(page.locator("#score-picture .fg-caption")).to_have_text("nothing at all")
    assert fits(page)
