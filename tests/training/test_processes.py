"""Two processes under `accelerate launch` train as one does."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

import flowgen
from flowgen.training import Run

# accelerate calls its launcher of several processes --multi_gpu; with --device cpu they talk over gloo.
LAUNCH = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1"]
LAUNCH += ["--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0", "--module", "flowgen"]


# Sums divided between processes round otherwise, and where a ReLU's input is that close to 0, it opens in one run and
# not in the other, which turns 1e-8 into 1e-5. A net of few units meets that once in some hundred runs and machines.
SMALL = {"glow": ["--hidden", "8", "--depth", "2"]}


def _train(folder: Path, place: Path, *python: str, processes: int, steps: int, recipe: str) -> dict[str, Tensor]:
    command = [sys.executable, *python, "train", recipe, "--dataset", "folder", "--folder-path", str(folder)]
    command += ["--folder-size", "8", "--folder-channels", "1", *SMALL[recipe], "--batch-size", "16"]
    command += ["--warmup", "5", "--steps", str(steps), "--device", "cpu", "--runs", str(place)]
    command += ["--output", str(place / "model.safetensors"), "--save-every", "0"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert flowgen.describe(str(place / "model.safetensors")).processor.startswith(f"{processes} x ")
    state = Run(place / "model").load()
    assert state["step"] == steps
    return {f"{key}.{name}": value for key in ("model", "average") for name, value in state[key].items()}


@pytest.mark.parametrize("recipe", SMALL)
def test_two_processes_match_one_on_the_same_global_batch(recipe: str, folder: Path, tmp_path: Path) -> None:
    one = _train(folder, tmp_path / "one", "-m", "flowgen", processes=1, steps=10, recipe=recipe)
    two = _train(folder, tmp_path / "two", *LAUNCH, processes=2, steps=10, recipe=recipe)
    assert one.keys() == two.keys()
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, atol=1e-5, rtol=0, msg=lambda text, name=name: f"{name}: {text}")
