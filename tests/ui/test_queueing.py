"""What waits in the queue and what does not: only work that computes, and a visitor who waits is told so."""

import time
from pathlib import Path

import pytest

from flowgen.inference import methods_of
from flowgen.library import Library
from flowgen.ui import arguments
from flowgen.ui.cost import forecast, price
from flowgen.ui.generate import class_names
from flowgen.ui.pace import Paces
from flowgen.ui.picture import empty

from .raw import Visitor
from .test_freeing import Running, leave

SOON = 5.0  # seconds, beside a run that takes all processors


ANSWERS = {
    "page_offer": ["gray", "raster_smc", "Fast", 4, 100],
    "page_choose": ["gray", "mala", "Fast", 4, 100],
    "page_reckon": ["gray", "mala", None, 4, 100],
    "page_chosen": ["ordered", "any"],
}


def test_the_cards_know_the_methods_and_the_classes(checkpoints: Path) -> None:
    library = Library(checkpoints, device="cpu")
    for name in ("gray", "colour", "ordered"):
        meta, model = library.describe(name), library.load(name)
        assert arguments.methods(meta) == methods_of(model)
        assert len(class_names(library, name)) == (model.num_classes or 0)
    assert class_names(library, "ordered") == [str(i) for i in range(10)]


@pytest.mark.parametrize("tab", ["page_look_again", "page_look_again_1"])
def test_a_box_whose_picture_is_still_on_its_way_is_not_answered_with_an_empty_one(studio: str, tab: str) -> None:
    with Visitor(studio) as visitor:
        (kept,) = visitor.ask(tab, [empty(), "gray"])["output"]["data"]
    assert "picture" not in kept


def test_a_line_without_figures_asks_for_them_and_promises_none() -> None:
    paces = Paces(Library(Path()))
    for line in (forecast(paces, "gray", "mala", "Fast"), price(paces, "gray", "mala", 4, 100)):
        assert 'data-unmeasured="gray mala"' in line
        assert "measured when the queue comes to it" in line
        assert "data-num" not in line


def test_a_method_of_the_model_before_changes_nothing_while_the_new_ones_are_on_their_way(studio: str) -> None:
    with Visitor(studio) as visitor:
        changed = visitor.ask("page_choose", ["gray", "raster_smc", "Fast", 4, 100])["output"]["data"]
        assert len(changed) == len(visitor.functions()["page_choose"]["outputs"])
        assert not any("value" in each or "visible" in each for each in changed)
        assert visitor.ask("page_measure", ["gray", "raster_smc"])["success"], "and nobody is told off for it"


def test_menus_answer_while_others_compute_and_a_pace_is_measured_in_its_turn(studio: str, digit: Path) -> None:
    line = ["colour", "hmc", "Fast", 4, 100]
    run = Running(studio, digit)  # which would hold the worker for minutes
    with Visitor(studio) as visitor:
        for name, data in ANSWERS.items():
            asked = time.monotonic()
            assert visitor.ask(name, data)["success"], name
            assert time.monotonic() - asked < SOON, name
        assert "data-unmeasured" in visitor.ask("page_reckon", line)["output"]["data"][0]
        assert visitor.join("page_measure", ["colour", "hmc"]).status_code == 200
        heard = visitor.messages()
        assert next(heard)["msg"] == "estimation", "it waits"
        leave(run)
        assert [message["msg"] for message in heard][-1] == "process_completed"
    run.close()
    with Visitor(studio) as other:
        assert 'data-preset="Fast"' in other.ask("page_reckon", line)["output"]["data"][0]
