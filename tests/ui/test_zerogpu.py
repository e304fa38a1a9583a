"""One app.py for both kinds of Space: beside a package `spaces`, all model work runs in the processes that it lends."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image
from playwright.sync_api import Browser, expect

from flowgen.commands.smoke import probes
from flowgen.ui.zerogpu import on_gpu, seconds_of

from .conftest import PATIENCE, ROOT, change, serve
from .raw import Visitor
from .test_page import choose_model, set_number


@pytest.fixture(scope="module")
def lent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the package notes for how long it was asked to lend its GPU."""
    return tmp_path_factory.mktemp("zerogpu") / "lent.txt"


@pytest.fixture(scope="module")
def space(lent: Path, app: Path, checkpoints: Path) -> Iterator[str]:
    """The address of a studio beside that package, with a second of GPU time an image."""
    change(app, "per_image: 0.5", "per_image: 1.0")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT / "tests" / "fixtures" / "zerogpu"))
        patch.setenv("ZEROGPU_LOG", str(lent))
        with serve(checkpoints, lent.with_name("log.txt"), app) as address:
            yield address
    assert "Traceback" not in lent.with_name("log.txt").read_text()


def asked(lent: Path) -> dict[str, int]:
    """Seconds by the name of what asked for them, of its last call."""
    return dict(map(json.loads, lent.read_text().splitlines()))


def test_every_endpoint_works_in_another_process_and_asks_for_its_time(space: str, lent: Path) -> None:
    found = {probe.endpoint: probe for probe in probes(space, PATIENCE / 1000)}
    assert [probe for probe in found.values() if not probe.passed] == []
    seconds = asked(lent)
    assert (seconds["sample"], seconds["interpolate"], seconds["inpaint"], seconds["score"]) == (11, 13, 12, 10)
    assert "models" not in seconds, "which computes nothing"


def test_a_sentence_comes_out_of_the_other_process(space: str, digit: Path, tmp_path: Path) -> None:
    Image.linear_gradient("L").resize((28, 28)).transpose(Image.Transpose.FLIP_TOP_BOTTOM).save(tmp_path / "top.png")
    client = Client(space, verbose=False)
    with pytest.raises(AppError, match="comes after everything known"):
        client.predict(
            "ordered", handle_file(digit), handle_file(tmp_path / "top.png"), "in_order", 1, 1, api_name="/inpaint"
        )
    client.close()


def test_a_pace_measured_in_another_process_is_known_in_this_one(space: str, lent: Path) -> None:
    with Visitor(space) as visitor:
        assert visitor.ask("page_measure", ["gray", "mala"])["success"]
        line = visitor.ask("page_reckon", ["gray", "mala", "Fast", 4, 100])["output"]["data"][0]
    assert 'data-preset="Fast"' in line
    assert "reckon" not in asked(lent), "which computes nothing"


@pytest.mark.browser
def test_the_page_works_in_another_process_and_stop_reaches_it(space: str, lent: Path, browser: Browser) -> None:
    context = browser.new_context()
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(space)
    choose_model(page, "generate", "ordered")
    set_number(page, "generate-num", 64)
    page.click("#generate-run")
    status = page.locator("#generate-result .fg-status")
    expect(status).to_contain_text("row by row", timeout=PATIENCE)
    page.click("#generate-stop")
    expect(status).to_contain_text("stopped after", timeout=PATIENCE)
    context.close()
    assert asked(lent)["generate"] == 10 + 64


@pytest.mark.parametrize(
    ("arguments", "seconds"),
    [
        ({}, 10),
        ({"num": 8}, 14),
        ({"num": 3}, 12),
        ({"frames": 12}, 16),
        ({"num": 4, "steps": 100}, 17),
        ({"steps": 2000, "num": 16}, 118),
        ({"steps": 1e30}, 120),
        ({"num": 4, "steps": 100, "preset": "Careful"}, 77),
        ({"num": -5, "steps": float("nan"), "preset": "Never"}, 10),
        ({"num": "many", "steps": True, "preset": ["Fast"]}, 10),
    ],
)
def test_a_request_asks_for_the_time_that_it_needs(arguments: dict[str, Any], seconds: int) -> None:
    def work(name: str, num: Any = 0, steps: Any = 0, frames: Any = 0, preset: Any = None) -> None: ...

    assert seconds_of(work)("glow-mnist", **arguments) == seconds


def test_elsewhere_nothing_is_wrapped() -> None:
    def work() -> None: ...

    assert on_gpu(work) is work
