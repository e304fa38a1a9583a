"""How long runs are said to take, and how much fits into a time."""

from typing import Any

import numpy as np
import pytest
import torch

from flowgen.checkpoint import Meta, build, save_checkpoint
from flowgen.inference import METHODS, Trace, methods_of
from flowgen.library import Library
from flowgen.ui.chart import chart
from flowgen.ui.pace import PRESETS, Pace, Paces, expected

EVEN = Pace(start=0.2, early=0.02, late=0.01, picture=0.0, finish=0.3)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_filled_and_not_overfilled(name: str) -> None:
    preset = PRESETS[name]
    num, steps = EVEN.plan(preset)
    assert num == preset.variants
    assert EVEN.seconds(num, steps) <= preset.aim < preset.seconds
    assert steps == 2000 or EVEN.seconds(num, steps + 1) > preset.aim


def test_presets_grow() -> None:
    slow = Pace(start=0.5, early=0.3, late=0.9, picture=0.001, finish=0.5)
    planned = [slow.plan(preset) for preset in PRESETS.values()]
    assert planned == sorted(planned)
    assert slow.plan(PRESETS["Fast"])[0] < 4, "a few steps of four variants would take longer"


def test_a_method_that_takes_a_step_a_row_is_planned_by_its_variants() -> None:
    rows = Pace(start=0.1, early=0.0, late=0.2, picture=0.0, finish=0.1, fixed=28)
    assert rows.plan(PRESETS["Fast"]) == (1, 28)
    assert rows.plan(PRESETS["Balanced"])[0] > 1
    assert rows.seconds(2, 5) == rows.seconds(2, 500)


@pytest.mark.parametrize(("halves", "early"), [(False, 50), (True, 200)])
def test_the_search_ends_and_the_way_to_the_target_takes_half(halves: bool, early: int) -> None:
    pace = Pace(start=0.0, early=1.0, late=0.0, picture=0.0, finish=0.0, halves=halves)
    assert pace.seconds(4, 400) == pytest.approx(1.15 * early)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """A flow and a model that draws in order, of 8 x 8 pixels."""
    folder = tmp_path_factory.mktemp("small")
    recipes: dict[str, dict[str, Any]] = {
        "realnvp": {"hidden": 4, "blocks": 1, "couplings": 2},
        "gated_pixelcnn": {"hidden": 4, "dilations": "1 2", "embedding": 4},
    }
    for recipe, hyperparameters in recipes.items():
        torch.manual_seed(0)
        meta = Meta(recipe, hyperparameters, (1, 8, 8), dataset="mnist")
        save_checkpoint(folder / f"{recipe}.safetensors", build(meta), meta)
    return Library(folder, device="cpu")


@pytest.mark.parametrize("method", METHODS)
def test_every_method_has_a_pace(method: str, small: Library) -> None:
    name = next(name for name in small.names() if method in methods_of(small.load(name)))
    paces = Paces(small)
    pace = paces.of(name, method)
    assert paces.of(name, method) is pace, "it is measured once"
    num, steps = pace.plan(PRESETS["Fast"])
    assert pace.seconds(num, steps) > 0
    assert (pace.fixed is None) == hasattr(METHODS[method], "step")
    said = expected(pace, num, steps)
    assert said.startswith(f"{num} variant")
    assert "on this machine" in said


def test_a_chart_has_a_line_a_variant_few_points_and_a_scale_without_the_search() -> None:
    """A search climbs from -2000, then three chains walk between 80 and 120."""
    steps = np.arange(1, 901)
    walk = 100 + 20 * np.sin(steps[:, None] / np.array([5, 7, 11]))
    log_density = np.where(steps[:, None] <= 100, -2000.0, walk)
    drawn = chart(Trace(steps, log_density, steps <= 450, np.full(900, np.nan)), 1000)
    assert drawn.count("<polyline") == 3
    points = drawn.split('points="')[1].split('"')[0].split(" ")
    assert 100 < len(points) <= 242
    assert points[-1].startswith("540.0,"), "900 of 1000 steps"
    assert "<span>122</span><span>≤ 78</span>" in drawn
    assert points[0].endswith(",120.0"), "what is below runs along the edge"
    assert '<rect class="warm" width="270.0"' in drawn


def test_a_chart_of_rows_shows_all_of_them() -> None:
    steps = np.arange(1, 22)
    drawn = chart(Trace(steps, -30.0 * steps[:, None], np.zeros(21, bool), np.full(21, np.nan)), 21, by_rows=True)
    assert "<span>0</span><span>-660</span>" in drawn
    assert "log-probability of the rows so far" in drawn
