"""How training scales: the same global batch on 1 and on 2 processes, and where the time of a step goes.

    python bench/scale.py [--recipe recipes/glow-mnist.yaml] [--batch-size 64] [--steps 100]

The first table is by `accelerate launch` on this machine's CPU, one thread a process, processes talking over gloo. It
gives images a second by the clock, from the run's own log without its first rows, and the processes' own seconds an
image, which other work on the machine disturbs less; efficiency is what n processes do over n times what one does. The
second is what a plan for more machines is made of: operations counted, bytes exchanged, and seconds to draw a batch.
"""

import argparse
import csv
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from speed import machine
from torch.utils.flop_counter import FlopCounterMode

from flowgen.checkpoint import Meta, build
from flowgen.data import DATASETS
from flowgen.training import Batches, NegativeLogLikelihood
from flowgen.training.recipe_file import RecipeFile, read_recipe

ROOT = Path(__file__).resolve().parent.parent
LAUNCH = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_machines", "1", "--mixed_precision", "no"]
LAUNCH += ["--dynamo_backend", "no", "--main_process_port", "0"]
WARM = 2  # rows of a log that do not count: the first steps find their memory


def main() -> None:
    """Print both tables."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--recipe", type=Path, default=ROOT / "recipes" / "glow-mnist.yaml", help="what to train")
    arguments.add_argument("--batch-size", type=int, default=64, help="images a step, over all processes")
    arguments.add_argument("--steps", type=int, default=100, help="steps of a timing")
    arguments.add_argument("--processes", type=int, nargs="+", default=[1, 2], help="how many, in turn")
    chosen = arguments.parse_args()
    torch.set_num_threads(1)
    recipe = read_recipe(chosen.recipe)
    print(machine())
    print(f"{chosen.recipe.name}, {chosen.batch_size} images a step")
    print(f"{'':12}{'images/s':>10}{'efficiency':>12}{'own s/image':>14}{'efficiency':>12}")
    first: tuple[int, float, float] | None = None
    for processes in chosen.processes:
        rate, own = timed(chosen.recipe.resolve(), processes, chosen.batch_size, chosen.steps)
        first = first or (processes, rate, own)
        by_clock = 100 * rate / first[1] * first[0] / processes
        print(
            f"{processes:2} processes{rate:10.1f}{by_clock:10.0f} %{own:14.4f}{100 * first[2] / own:10.0f} %",
            flush=True,
        )
    parts(recipe, chosen.batch_size)


def timed(recipe: Path, processes: int, batch_size: int, steps: int) -> tuple[float, float]:
    """Images a second by the clock, and seconds of processor an image, start and end included."""
    with tempfile.TemporaryDirectory() as place:
        launch = LAUNCH if processes > 1 else []
        command = [sys.executable, *launch, *(["--num_processes", str(processes)] if launch else ["-m"])]
        command += (["--module"] if launch else []) + ["flowgen", "train", "--recipe", str(recipe), "--device", "cpu"]
        command += ["--batch-size", str(batch_size), "--steps", str(steps), "--runs", place, "--threads", "1"]
        command += ["--output", f"{place}/x.safetensors"]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"}, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        with (Path(place) / "x" / "log.csv").open(newline="") as file:
            rates = [float(row["images_per_second"]) for row in csv.DictReader(file)][WARM:]
    own = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return statistics.median(rates), own / (steps * batch_size)


def parts(recipe: RecipeFile, batch_size: int) -> None:
    """What a step is made of."""
    images = DATASETS[recipe.dataset]().load("train")
    batches = Batches(images, batch_size, 0)
    levels, noise = batches(0)
    model: Any = build(Meta(recipe.model, recipe.hyperparameters, images.event_shape))
    gradient = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
    loss = NegativeLogLikelihood(model)
    with FlopCounterMode(display=False) as counter:
        loss(levels[:1], noise[:1]).backward()
    start = time.process_time()
    for step in range(1, 11):
        batches(step)
    drawing = (time.process_time() - start) / (10 * batch_size)
    print(f"operations to train on an image, forward and backward: {counter.get_total_flops() / 1e6:.0f} million")
    print(f"gradients that a step exchanges: {gradient / 1e6:.2f} MB")
    print(f"processor time to draw an image and its noise: {1e6 * drawing:.0f} microseconds")


if __name__ == "__main__":
    main()
