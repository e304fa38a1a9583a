"""How well holes in MNIST test digits are filled in: each model and method beside scikit-image's and OpenCV's.

    pip install -r bench/requirements.txt
    python bench/inpainting.py --model glow-mnist --method mala hmc [--digits 100] [--masks centre] [--steps 100]
    python bench/inpainting.py --model classical                    # biharmonic, Navier-Stokes, Telea
    python bench/inpainting.py --table                              # what has been measured so far

The first test digits, 8 completions each. Printed: the PSNR in dB over hidden pixels of the posterior mean (of the
draws after warm-up; of the completions where a method makes no chain) and of the best of the 8, each of the squared
error pooled over all digits; the share of completions that a small convolutional net, trained on the training digits,
takes for the digit it was; seconds a digit. A line a digit goes into docs/inpainting.csv, and what stands there is not
done again.
"""

import argparse
import csv
import itertools
import math
import statistics
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from classifier import classifier
from masks import MASKS
from torch import Tensor

import flowgen
from flowgen.data import DATASETS
from flowgen.errors import FlowgenError
from flowgen.inference import METHODS, complete, methods_of
from flowgen.inference.recorder import Recorder

RESULTS = Path(__file__).resolve().parent.parent / "docs" / "inpainting.csv"
NUM = 8
CLASSICAL = ("biharmonic", "navier_stokes", "telea")


class Line(NamedTuple):
    """A digit's result; errors are squared ones in levels, means over the hidden pixels."""

    model: str
    method: str
    steps: int
    mask: str
    digit: int
    error_of_mean: float
    error_of_best: float
    recognised: float
    seconds: float


def main() -> None:
    """Measure what is asked for, or print the table."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--model", help="a committed model's name, or classical")
    arguments.add_argument("--method", nargs="*", help="methods, by default all that fit the model")
    arguments.add_argument("--masks", choices=list(MASKS), default="centre")
    arguments.add_argument("--digits", type=int, default=100)
    arguments.add_argument("--steps", type=int, default=100)
    arguments.add_argument("--table", action="store_true", help="print what has been measured")
    arguments.add_argument("--threads", type=int, default=torch.get_num_threads(), help="CPU threads")
    chosen = arguments.parse_args()
    torch.set_num_threads(chosen.threads)
    if chosen.table:
        print(table(measured()))
        return
    images = DATASETS["mnist"]().load("test")
    net = classifier()
    model = None if chosen.model == "classical" else flowgen.load(chosen.model, device="cpu")
    methods = chosen.method or (CLASSICAL if model is None else methods_of(model))
    done = {line[:5] for line in measured()}
    for method, (mask, known), digit in itertools.product(
        methods, MASKS[chosen.masks](28, 28).items(), range(chosen.digits)
    ):
        key = (chosen.model, method, chosen.steps if model else 0, mask, digit)
        if key not in done:
            image, label = images.levels[digit], int(images.labels[digit])
            append(Line(*key, *judge(image, label, known, net, *fill(model, method, image, known, chosen.steps))))


def fill(model: Any, method: str, image: Tensor, known: Tensor, steps: int) -> tuple[Tensor, Tensor, float]:
    """The mean and the completions, (c, h, w) and (k, c, h, w) in levels, and the seconds they took."""
    started = time.perf_counter()
    if model is None:
        filled = torch.from_numpy(classical(method, image[0].numpy(), ~known.numpy()))[None]
        return filled.float(), filled[None], time.perf_counter() - started
    recorder = Recorder(image, known, model.levels, METHODS[method])
    for frame in complete(model, image, known, method=method, num=NUM, steps=steps, seed=0):
        recorder.add(frame)
    seconds = time.perf_counter() - started
    result = recorder.result({})
    return result.mean, result.completions, seconds


def classical(method: str, image: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """What well-known packages fill a hole with, (h, w) uint8."""
    if method == "biharmonic":
        from skimage.restoration import inpaint_biharmonic

        filled = inpaint_biharmonic(image / 255.0, hidden)
        return np.asarray((255 * filled.clip(0, 1)).round(), dtype=np.uint8)
    import cv2

    flags = {"navier_stokes": cv2.INPAINT_NS, "telea": cv2.INPAINT_TELEA}
    return np.asarray(cv2.inpaint(image, hidden.astype(np.uint8), 3, flags[method]))


def judge(
    image: Tensor, label: int, known: Tensor, net: Any, mean: Tensor, completions: Tensor, seconds: float
) -> tuple[float, float, float, float]:
    """The figures of a line."""
    if not bool((completions[:, :, known] == image[:, known]).all()):
        raise FlowgenError("A known pixel has changed.")
    truth = image[:, ~known].float()
    errors = (completions[:, :, ~known].float() - truth).square().mean((1, 2))
    with torch.no_grad():
        recognised = net(completions / 255.0).argmax(1) == label
    error_of_mean = float((mean[:, ~known] - truth).square().mean())
    return error_of_mean, float(errors.min()), float(recognised.float().mean()), seconds


def measured() -> list[Line]:
    """What the file holds."""
    if not RESULTS.exists():
        return []
    with RESULTS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))[1:]
    kinds = (str, str, int, str, int, float, float, float, float)
    return [Line(*(kind(value) for kind, value in zip(kinds, row, strict=True))) for row in rows]


def append(line: Line) -> None:
    """Add a line to the file, and begin it with the columns' names."""
    new = not RESULTS.exists()
    with RESULTS.open("a", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        if new:
            out.writerow(Line._fields)
        out.writerow([*line[:5], *(f"{value:.5g}" for value in line[5:])])


def table(lines: Iterable[Line]) -> str:
    """One row a model, method and kind of hole, as Markdown; the best means first."""
    head = "| model | method | steps | hole | digits | PSNR of the mean | best of 8 | recognised | seconds |"
    rows = [head, "|---" * head.count(" | ") + "|---|"]
    groups: dict[tuple[Any, ...], list[Line]] = {}
    for line in lines:
        holes = line.mask if line.mask == "centre" else "NICE's ten"
        groups.setdefault((holes, line.model, line.method, line.steps), []).append(line)
    order = sorted(groups.items(), key=lambda group: (group[0][0], statistics.fmean(x.error_of_mean for x in group[1])))
    for (holes, model, method, steps), group in order:
        mean, best = (psnr(statistics.fmean(values)) for values in zip(*(line[5:7] for line in group), strict=True))
        recognised = statistics.fmean(line.recognised for line in group)
        seconds = statistics.fmean(line.seconds for line in group)
        digits = len({line.digit for line in group})
        took = f"{mean:.1f} | {best:.1f} | {100 * recognised:.0f} % | {seconds:.2g}"
        rows.append(f"| {model} | {method} | {steps or ''} | {holes} | {digits} | {took} |")
    return "\n".join(rows)


def psnr(error: float) -> float:
    """In dB, of a mean squared error in levels."""
    return 10 * math.log10(255**2 / error) if error else math.inf


if __name__ == "__main__":
    main()
