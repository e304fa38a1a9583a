"""Ten visitors for a quarter of a minute meet answers, or a full queue; `bench/load.py` is the whole proof."""

import subprocess
import sys

import pytest

from .conftest import ROOT


@pytest.mark.slow
def test_ten_visitors_meet_no_error() -> None:
    command = [sys.executable, "bench/load.py", "--users", "10", "--seconds", "15"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=230)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\n0 errors, " in done.stdout
    answered = {line.split("  ")[0].strip() for line in done.stdout.splitlines()[2:]}
    assert {"sample", "page", "upload"} <= answered
    assert done.stderr == ""
