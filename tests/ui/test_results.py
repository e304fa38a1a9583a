"""What the page shows of a run: while it goes, when it is stopped, and when it is refused."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flowgen.data import Images
from flowgen.errors import FlowgenError
from flowgen.interruption import Check
from flowgen.library import Library
from flowgen.ui import filling, generate, interpolate
from flowgen.ui.picture import empty, filled
from flowgen.ui.stops import Stopped


@pytest.fixture
def library(checkpoints: Path) -> Library:
    return Library(checkpoints, device="cpu")


def stop_after(asked: int) -> Check:
    """The word is left once it was asked for so often."""
    left = iter(range(asked))

    def check() -> None:
        if next(left, None) is None:
            raise Stopped("Stopped before anything had come.")

    return check


def times_asked(run: Callable[[Check], Iterator[str]]) -> int:
    """How often a run to its end looks for the word: at every layer and every pixel."""
    asked: list[None] = []
    list(run(lambda: asked.append(None)))
    return len(asked)


def test_what_was_drawn_before_a_stop_is_a_result_and_no_longer_to_go(library: Library) -> None:
    def draw(check: Check) -> Iterator[str]:
        return generate.show(library, "ordered", "7", 2, 1.0, 0, check=check)

    shown = list(draw(stop_after(round(3.5 / 28 * times_asked(draw)))))
    assert "to go" in shown[0]
    assert "stopped after 11% of the rows" in shown[-1], "3 of 28"
    assert "to go" not in shown[-1]
    assert "Download the sheet" in shown[-1]


def test_a_flow_that_is_stopped_within_its_one_pass_shows_that_nothing_came(library: Library) -> None:
    (shown,) = generate.show(library, "gray", generate.ANY_CLASS, 2, 1.0, 0, check=stop_after(1))
    assert "Stopped before anything had come." in shown


def test_a_run_of_inpainting_keeps_what_came_before_its_stop(library: Library, mnist: Images) -> None:
    box = filled(mnist.levels[0], 256, "a seven") | {"mask": "0" * 560 + "1" * 224}
    asked = {"num": 1, "steps": 8, "seed": 0}

    def fill(check: Check) -> Iterator[str]:
        return (report for report, _ in filling.show(library, "gray", box, "mala", asked, {}, check=check))

    *_, first = fill(stop_after(0))
    assert "Stopped before anything had come." in first
    *_, last = fill(stop_after(round(0.7 * times_asked(fill))))
    assert "stopped" in last
    assert "Download everything" in last
    assert "step 8 of 8" not in last


def test_a_walk_says_what_it_does_and_how_long_the_second_way_will_take(library: Library, mnist: Images) -> None:
    ends = [filled(levels, 256, "a digit") for levels in mnist.levels[:2]]
    first, half, last = interpolate.show(library, "gray", *ends, 3, check=lambda: None)
    assert "noise" in first
    assert re.search(r"one way of two · \d+\.\d s to go", half)
    assert half.count("fg-strip") == 1
    assert last.count("fg-strip") == 2
    assert "fg-bar" not in last


def test_a_walk_that_is_stopped_keeps_the_way_it_has_gone(library: Library, mnist: Images) -> None:
    ends = [filled(levels, 256, "a digit") for levels in mnist.levels[:2]]

    def go(check: Check) -> Iterator[str]:
        return interpolate.show(library, "gray", *ends, 3, check=check)

    *_, first = go(stop_after(0))
    assert "Stopped before anything had come." in first
    *_, last = go(stop_after(round(0.7 * times_asked(go))))
    assert "stopped after one way of two" in last
    assert last.count("fg-strip") == 1
    assert "fg-bar" not in last


@pytest.mark.parametrize(("side", "other"), [("From", 1), ("To", 0)])
def test_a_walk_says_which_picture_is_missing(library: Library, mnist: Images, side: str, other: int) -> None:
    ends = [empty(), empty()]
    ends[other] = filled(mnist.levels[0], 256, "a digit")
    with pytest.raises(FlowgenError, match=f"^{side}: There is no picture yet"):
        next(interpolate.show(library, "gray", *ends, 3, check=lambda: None))


def fill_in(library: Library, mnist: Images, mask: str, method: str = "in_order") -> Iterator[str]:
    box = filled(mnist.levels[0], 256, "a seven") | {"mask": mask}
    asked = {"num": 1, "steps": 2, "seed": 0}
    for report, _ in filling.show(library, "ordered", box, method, asked, {}, check=lambda: None):
        yield report


@pytest.mark.parametrize(
    ("mask", "sentence"), [("", "Nothing is hidden"), ("1" * 784, "Everything is hidden")], ids=["empty", "full"]
)
def test_a_mask_out_of_order_is_refused_before_anything_is_shown(
    library: Library, mnist: Images, mask: str, sentence: str
) -> None:
    with pytest.raises(FlowgenError, match=sentence):
        next(fill_in(library, mnist, mask))


def test_what_a_method_refuses_leaves_no_run_that_seems_to_go_on(library: Library, mnist: Images) -> None:
    shown = fill_in(library, mnist, "1" * 28 + "0" * 756)
    assert "Starting" in next(shown)
    assert "comes after everything known" in next(shown)
    with pytest.raises(FlowgenError, match="comes after everything known"):
        next(shown)


def test_a_run_ends_in_its_result(library: Library, mnist: Images) -> None:
    *_, last = fill_in(library, mnist, "0" * 756 + "1" * 28)
    assert "step 28 of 28" in last
    assert "Download everything" in last


def test_an_answer_to_another_choice_leaves_the_class_that_was_chosen_meanwhile(library: Library) -> None:
    assert "value" not in generate.class_menu(library, "ordered", "any")
    assert "value" not in generate.class_menu(library, "ordered", "7")
    for name, unknown in (("ordered", "cat"), ("gray", "7")):
        assert generate.class_menu(library, name, unknown)["value"] == "any"
