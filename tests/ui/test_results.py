"""What the page shows of a run: while it goes, when it is stopped, and when it is refused."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from flowgen.data import Images
from flowgen.errors import FlowgenError
from flowgen.library import Library
from flowgen.ui import generate, inpaint
from flowgen.ui.picture import filled


@pytest.fixture
def library(checkpoints: Path) -> Library:
    return Library(checkpoints, device="cpu")


def test_what_was_drawn_before_a_stop_is_a_result_and_no_longer_to_go(library: Library) -> None:
    words = iter([False, False, True])
    shown = list(generate.show(library, "ordered", "7", 2, 1.0, 0, stopped=lambda: next(words)))
    assert "to go" in shown[0]
    assert "stopped after 11% of the rows" in shown[-1], "3 of 28"
    assert "to go" not in shown[-1]
    assert "Download the sheet" in shown[-1]


def test_a_stop_comes_too_late_for_what_is_whole(library: Library) -> None:
    (shown,) = generate.show(library, "gray", generate.ANY_CLASS, 2, 1.0, 0, stopped=lambda: True)
    assert "stopped" not in shown


def fill_in(library: Library, mnist: Images, mask: str, method: str = "in_order") -> Iterator[str]:
    box = filled(mnist.levels[0], 256, "a seven") | {"mask": mask}
    asked = {"num": 1, "steps": 2, "seed": 0}
    for report, _ in inpaint.show(library, "ordered", box, method, asked, {}, stopped=lambda: False):
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
