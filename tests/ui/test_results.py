"""What the page shows of a run: while it goes, when it is stopped, and when it is refused."""

from pathlib import Path

import pytest

from flowgen.library import Library
from flowgen.ui import generate


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
