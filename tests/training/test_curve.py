"""The curve beside a checkpoint: small, and true to the log at its ends."""

import csv
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

from flowgen.training import Trainer
from flowgen.training.curve import ROWS, draw, keep_curve, thinned
from flowgen.training.run import COLUMNS

COMMITTED = Path(__file__).parent.parent.parent / "checkpoints"


def _row(step: int) -> dict[str, str]:
    return {**dict.fromkeys(COLUMNS, "1.23457e-05"), "step": str(step), "bits_per_dim": f"{1 + 7 / step:.6g}"}


def _points(picture: str) -> list[tuple[float, float]]:
    found = re.search(r'polyline points="([^"]*)"', picture)
    assert found
    return [(float(x), float(y)) for x, y in (pair.split(",") for pair in found[1].split())]


def test_training_leaves_its_curve_beside_the_checkpoint(trainer: Callable[..., Trainer]) -> None:
    run = trainer(settings={"steps": 45})
    run.fit(progress=False)
    assert run.output.with_suffix(".csv").read_text().split() == run.run.log_path.read_text().split()
    ElementTree.fromstring(run.output.with_suffix(".svg").read_text())


@pytest.mark.parametrize("length", [1, ROWS, ROWS + 1, 12_345])
def test_a_long_log_becomes_a_short_one_that_ends_where_it_ended(length: int, tmp_path: Path) -> None:
    rows = [_row(20 * i) for i in range(1, length + 1)]
    few = thinned(rows)
    assert len(few) <= ROWS
    assert few[-1] == rows[-1]
    steps = [int(row["step"]) for row in few]
    assert len({b - a for a, b in pairwise(steps)}) <= 1
    with (tmp_path / "log.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    keep_curve(tmp_path / "log.csv", tmp_path / "x.safetensors")
    assert (tmp_path / "x.csv").stat().st_size < 20_000
    assert (tmp_path / "x.svg").stat().st_size < 20_000


def test_the_picture_falls_as_the_bits_do_and_keeps_within_its_frame() -> None:
    points = _points(draw([_row(20 * i) for i in range(1, 101)], "run"))
    assert 90 <= len(points) <= 91  # the first tenth is above its scale
    assert [y for _, y in points] == sorted(y for _, y in points)
    assert all(64 <= x <= 628 and 28 <= y <= 280 for x, y in points)


def test_a_name_is_text_in_the_picture_whatever_it_holds() -> None:
    assert "a<b&c: training" in "".join(ElementTree.fromstring(draw([_row(20)], "a<b&c")).itertext())


def test_an_empty_or_level_curve_has_a_picture() -> None:
    level = [{**_row(step), "bits_per_dim": "1.5"} for step in (20, 40)]
    for rows in ([], level):
        ElementTree.fromstring(draw(rows, "run"))


def test_the_committed_curves_are_small_and_drawn() -> None:
    curves = sorted(COMMITTED.glob("*.csv"))
    assert curves
    for curve in curves:
        assert curve.stat().st_size < 20_000
        with curve.open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert draw(rows, curve.stem) == curve.with_suffix(".svg").read_text()
