"""How cost grows: with the batch, the depth, the resolution, the chains, and the pixels that are hidden.

    python bench/growth.py [--threads 1] [--clock cpu]

writes docs/growth.csv and docs/growth.svg, a panel each. Both axes are logarithmic, and a dotted line says what growth
in proportion would be. Times are medians; by --clock cpu they are the process's own, which other work on the machine
disturbs less. Matplotlib is in requirements.txt.
"""

import argparse
import csv
import io
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import torch
from inference import CHAINS, CLOCKS, known, stepper
from matplotlib import pyplot as plt
from speed import machine

import flowgen
from flowgen.checkpoint import write_atomically
from flowgen.inference import complete
from flowgen.inference.kernels import PCN
from flowgen.inference.start import Search
from flowgen.models import FLOWS, MODELS
from flowgen.training import NegativeLogLikelihood

DOCS = Path(__file__).resolve().parent.parent / "docs"
SMALL = {"depth": 4, "hidden": 64, "logit": False, "mixture": 0}


@dataclass(frozen=True)
class Curve:
    """One line of one panel.

    Attributes:
        panel: what the costs grow with.
        name: of the line.
        sizes: along the horizontal axis.
        work: for a size, what is to be timed.
    """

    panel: str
    name: str
    sizes: tuple[int, ...]
    work: Callable[[int], Callable[[], object]]


def main() -> None:
    """Measure every curve, and write the table and the picture."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--threads", type=int, default=1, help="CPU threads")
    arguments.add_argument("--clock", choices=list(CLOCKS), default="cpu", help="cpu: of this process alone")
    arguments.add_argument("--repeats", type=int, default=5, help="of which the median counts")
    chosen = arguments.parse_args()
    torch.set_num_threads(chosen.threads)
    print(machine(), flush=True)
    rows = []
    for curve in curves():
        for size in curve.sizes:
            seconds = timed(curve.work(size), CLOCKS[chosen.clock], chosen.repeats)
            rows.append({"panel": curve.panel, "curve": curve.name, "size": size, "seconds": f"{seconds:.4g}"})
            print(f"{curve.panel}: {curve.name}, {size}: {1000 * seconds:.1f} ms", flush=True)
    table = io.StringIO()
    writer = csv.DictWriter(table, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(DOCS / "growth.csv", table.getvalue().encode())
    write_atomically(DOCS / "growth.svg", picture(rows))


def curves() -> Iterator[Curve]:
    """All of them."""
    glow, gated = (flowgen.load(name, device="cpu").frozen() for name in ("glow-mnist", "gated_pixelcnn-mnist"))
    image = flowgen.to_bytes(glow.sample(1, seed=3, temperature=0.8), glow.levels)[0]
    batches, depths, sides = (1, 4, 16, 64), (1, 2, 4, 8, 16), (8, 16, 32, 64)

    def train_batch(n: int) -> Callable[[], object]:
        return training("glow", (1, 28, 28), n)

    def train_gated(n: int) -> Callable[[], object]:
        return training("gated_pixelcnn", (1, 28, 28), n)

    def train_depth(depth: int) -> Callable[[], object]:
        return training("glow", (3, 32, 32), 8, **SMALL | {"depth": depth})

    def train_side(side: int) -> Callable[[], object]:
        return training("glow", (3, side, side), 8, **SMALL)

    def sample_side(side: int) -> Callable[[], object]:
        model = FLOWS["glow"](**SMALL).build((3, side, side)).frozen()
        return lambda: model.sample(8, seed=0)

    def draw_side(side: int) -> Callable[[], object]:
        model = MODELS["gated_pixelcnn"](hidden=16, dilations="1 2 1").build((1, side, side))
        return lambda: model.sample(8, seed=0)

    def chains(n: int) -> Callable[[], object]:
        search = Search(glow, image, known(14))
        return stepper(PCN(step_size=0.01), search.augmented, search.first(n, torch.Generator().manual_seed(0)))

    def hidden(side: int) -> Callable[[], object]:
        """A step of 16 chains with a hole of this side: the part of a run beyond its first two steps."""
        steps = complete(
            gated, image, known(side)[0], method="metropolis_within_gibbs", num=CHAINS, steps=10_000, seed=0
        )
        return lambda: next(steps)

    yield Curve("images in a batch", "a training step, Glow", batches, train_batch)
    yield Curve("images in a batch", "a training step, Gated PixelCNN", batches, train_gated)
    yield Curve("steps a scale", "a training step of 8 images, Glow, 3x32x32", depths, train_depth)
    yield Curve("pixels a side", "a training step of 8 images, Glow", sides, train_side)
    yield Curve("pixels a side", "8 samples, Glow", sides, sample_side)
    yield Curve("pixels a side", "8 samples, Gated PixelCNN", sides, draw_side)
    yield Curve("chains", "a step of pCN, glow-mnist", (1, 4, 16, 64), chains)
    yield Curve("side of the hole", "a step of 16 chains, Gated PixelCNN", (4, 8, 14, 20, 26), hidden)


def training(recipe: str, shape: tuple[int, ...], n: int, **hyperparameters: Any) -> Callable[[], object]:
    """The loss of a batch and its gradient."""
    torch.manual_seed(0)
    model = MODELS[recipe](**hyperparameters).build(shape)
    levels = torch.randint(0, 256, (n, *shape), dtype=torch.uint8)
    noise = torch.rand(n, *shape)
    loss = NegativeLogLikelihood(model.to(memory_format=torch.channels_last))
    return lambda: loss(levels, noise).backward()


def timed(work: Callable[[], object], clock: Callable[[], float], repeats: int) -> float:
    """The median of a few times, after two that find their memory."""
    times = []
    for _ in range(repeats + 2):
        start = clock()
        work()
        times.append(clock() - start)
    return statistics.median(times[2:])


def picture(rows: list[dict[str, Any]]) -> bytes:
    """A panel for each thing that costs grow with."""
    mpl.rcParams |= {"svg.hashsalt": "flowgen", "font.size": 9}
    panels = list(dict.fromkeys(row["panel"] for row in rows))
    figure, axes = plt.subplots(2, 3, figsize=(12, 7), layout="constrained")
    for axis, panel in zip(axes.flat, panels, strict=False):
        for name in dict.fromkeys(row["curve"] for row in rows if row["panel"] == panel):
            points = [(row["size"], float(row["seconds"])) for row in rows if row["curve"] == name]
            axis.plot(*zip(*points, strict=True), "o-", markersize=3, label=name)
            (first, start), (last, _) = points[0], points[-1]
            power = 2 if "side" in panel else 1  # a square has as many pixels as its side squared
            axis.plot([first, last], [start, start * (last / first) ** power], ":", color="gray", linewidth=1)
        axis.set(xscale="log", yscale="log", xlabel=panel, ylabel="seconds")
        sizes = sorted({row["size"] for row in rows if row["panel"] == panel})
        axis.set_xticks(sizes, [str(size) for size in sizes], minor=False)
        axis.minorticks_off()
        axis.legend(frameon=False)
    for axis in axes.flat[len(panels) :]:
        axis.set_axis_off()
    file = io.BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return file.getvalue()


if __name__ == "__main__":
    main()
