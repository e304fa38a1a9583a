"""Real processes, really killed: what SIGKILL leaves behind is enough to go on as if nothing had happened."""

import csv
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from flowgen.training import Run

STEPS = 100
COLUMNS = ("step", "bits_per_dim", "gradient_norm", "learning_rate", "skipped")  # those that are not by the clock


def _start(folder: Path, place: Path, *flags: str) -> "subprocess.Popen[str]":
    """`flowgen train glow`, tiny, on digits with flips, saving as often as it can."""
    command = [sys.executable, "-m", "flowgen", "train", "glow", "--dataset", "folder", "--folder-path", str(folder)]
    command += ["--folder-size", "8", "--folder-channels", "1", "--hidden", "8", "--depth", "2", "--scales", "1"]
    command += ["--batch-size", "4", "--steps", str(STEPS), "--save-every", "0", "--device", "cpu", "--threads", "1"]
    command += ["--runs", str(place), "--output", str(place / "model.safetensors"), *flags]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def _finish(process: "subprocess.Popen[str]") -> str:
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    return out


def _kill_when(process: "subprocess.Popen[str]", ready: Callable[[], bool]) -> None:
    """SIGKILL a little while after something holds."""
    deadline = time.monotonic() + 300
    while not ready():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.001)
    time.sleep(random.uniform(0, 0.05))
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL


def _rows(run: Run) -> list[tuple[str, ...]]:
    with run.log_path.open(newline="") as file:
        return [tuple(row[column] for column in COLUMNS) for row in csv.DictReader(file)]


def _logged(run: Run, rows: int) -> Callable[[], bool]:
    return lambda: run.log_path.exists() and run.log_path.read_text().count("\n") > rows


@pytest.fixture(scope="module")
def left_alone(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("alone")
    assert f"{STEPS} steps" in _finish(_start(folder, place))
    return place


def test_killed_again_and_again_it_ends_as_one_left_alone(folder: Path, left_alone: Path, tmp_path: Path) -> None:
    run = Run(tmp_path / "model")
    _kill_when(_start(folder, tmp_path), lambda: True)  # before there is anything: the same command starts again
    assert not run.exists()
    _kill_when(_start(folder, tmp_path), run.exists)  # at its first steps
    _kill_when(_start(folder, tmp_path, "--resume"), _logged(run, random.randrange(1, 4)))
    state = run.load()
    assert 19 <= state["step"] < STEPS  # a row is written just before the state that has its step
    _finish(_start(folder, tmp_path, "--resume"))

    assert (tmp_path / "model.safetensors").stat().st_size > 1000
    expected, found = Run(left_alone / "model").load(), run.load()
    for key in ("model", "average"):
        assert all(torch.equal(value, found[key][name]) for name, value in expected[key].items())
    assert _rows(run) == _rows(Run(left_alone / "model"))
    assert [row[0] for row in _rows(run)] == [str(step) for step in range(20, STEPS + 1, 20)]


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_asked_to_stop_keeps_its_last_step(
    folder: Path, left_alone: Path, tmp_path: Path, by: signal.Signals
) -> None:
    run = Run(tmp_path / "model")
    process = _start(folder, tmp_path, "--save-every", "1000")
    deadline = time.monotonic() + 300
    while not _logged(run, 1)():
        assert time.monotonic() < deadline
        time.sleep(0.001)
    process.send_signal(by)
    _, err = process.communicate(timeout=600)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert f"stopped after step {run.load()['step']}" in err
    assert run.load()["step"] >= 20
    _finish(_start(folder, tmp_path, "--resume"))
    expected, found = Run(left_alone / "model").load(), run.load()
    assert all(torch.equal(value, found["model"][name]) for name, value in expected["model"].items())


def test_a_run_that_was_killed_is_not_overwritten_unasked(folder: Path, left_alone: Path) -> None:
    process = _start(folder, left_alone)
    _, err = process.communicate(timeout=600)
    assert process.returncode == 2
    assert err.startswith("flowgen: ")
    assert "--resume" in err
    assert "Traceback" not in err
