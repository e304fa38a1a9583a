"""Our Glow beside normflows', nflows' and FrEIA's, with equal weights in one run: training, scoring, sampling, memory.

    pip install -r bench/requirements.txt
    python bench/peers_flows.py [--case a] [--threads 2] [--clock cpu] [--compile]

First all of them are made to give the same log_prob, relative to 1e-5 in float64. Then they take turns at each task,
and medians count: a training step is forward, backward and fused AdamW; scoring and sampling go without gradients,
with all that is worked out once worked out before. Peak memory is that of a process that does one task and nothing
else. What else runs on the machine goes into the times, so run it on a quiet one, or compare by --clock cpu.

The machine's own peak is the better of a 3x3 and a 1x1 convolution of 128 to 128 channels, 16x16, 32 images,
channels_last, timed in turn with the training steps; ours is held against it by the operations that its weights need:
two a weight and position, three times that for a step, which takes two products backward for each one forward.

zuko is not in it: its flows are on vectors, and it has neither squeeze nor a convolutional coupling.
"""

import argparse
import importlib.metadata
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from glows import CASES, Case, Contestant, flops, flowgen
from peer_glows import PEERS
from speed import machine
from torch import Tensor
from torch.nn import functional as F

Work = Callable[[], object]
CONTESTANTS = {"flowgen": flowgen, **PEERS}
TASKS = ("trained", "scored", "sampled")
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def main() -> None:
    """Print everything."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--case", choices=CASES, action="append", help="which sizes; all, if none is named")
    arguments.add_argument("--threads", type=int, default=torch.get_num_threads(), help="CPU threads")
    arguments.add_argument("--repeats", type=int, default=9, help="turns of each, of which the median counts")
    arguments.add_argument("--clock", choices=CLOCKS, default="wall", help="wall time, or this process's CPU time")
    arguments.add_argument("--compile", action="store_true", help="also our training step by torch.compile")
    arguments.add_argument("--alone", nargs=2, metavar=("NAME", "TASK"), help="print the peak memory of one of them")
    chosen = arguments.parse_args()
    torch.set_num_threads(chosen.threads)
    warnings.simplefilter("ignore")  # the peers call what PyTorch deprecates
    if chosen.alone:
        print(peak_memory(CASES[chosen.case[0]], *chosen.alone))
        return
    print(machine())
    print(", ".join(f"{name} {version(name)}" for name in (*PEERS, "zuko")))
    for name in chosen.case or CASES:
        compare(name, chosen.repeats, CLOCKS[chosen.clock], chosen.compile)


def version(package: str) -> str:
    """As installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        raise SystemExit(f"{package} is not here; this needs bench/requirements.txt, as its docstring says.") from None


def compare(name: str, repeats: int, clock: Callable[[], float], compiled: bool) -> None:
    """One size, by all."""
    case = CASES[name]
    check_equal(case)
    shape = "x".join(map(str, case.shape))
    print(f"\n({name}) K={case.depth}, L={case.scales}, {case.hidden} hidden channels, {shape}, batch {case.batch}")
    rates, peak = {}, 0.0
    for task in TASKS:
        works = {who: prepare(case, who, task) for who in CONTESTANTS}
        if task == "trained":
            works |= convolutions()
            works |= {"compiled": prepare(case, "flowgen", task, compiled=True)} if compiled else {}
        seconds = in_turn(works, repeats, clock)
        rates[task] = {who: case.batch / took for who, took in seconds.items() if who not in CONVOLUTIONS}
        if task == "trained":
            peak = max(CONVOLUTIONS[kind] / seconds[kind] for kind in CONVOLUTIONS)
    print(f"{'':12}" + "".join(f"{task + '/s':>12}" for task in TASKS) + f"{'MB training':>14}{'MB sampling':>14}")
    for who in rates["trained"]:
        figures = "".join(f"{rates[task][who]:12.1f}" if who in rates[task] else f"{'':12}" for task in TASKS)
        memory = [alone(name, who, task) for task in ("trained", "sampled")] if who in CONTESTANTS else []
        print(f"{who:12}{figures}" + "".join(f"{megabytes:14.0f}" for megabytes in memory), flush=True)
    print_ratios(rates, peak, 3 * flops(case))


def check_equal(case: Case) -> None:
    """Make sure that all give the same log_prob."""
    x = torch.rand(8, *case.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        scores = {who: make(case, torch.float64, True).log_prob(x) for who, make in CONTESTANTS.items()}
    for who, score in scores.items():
        torch.testing.assert_close(score, scores["flowgen"], rtol=1e-5, atol=0.0, msg=lambda text, who=who: who + text)


def prepare(case: Case, who: str, task: str, *, compiled: bool = False) -> Work:
    """The task as a function, done once."""
    contestant = CONTESTANTS[who](case, torch.float32, task == "trained")
    x = torch.rand(case.batch, *case.shape)
    if task == "trained":
        work = step(contestant, x, compiled)
    else:
        work = torch.inference_mode()(
            (lambda: contestant.sample(case.batch)) if task == "sampled" else (lambda: contestant.log_prob(x))
        )
    work()
    return work


def step(contestant: Contestant, x: Tensor, compiled: bool) -> Work:
    """A training step."""
    optimizer = torch.optim.AdamW(contestant.module.parameters(), lr=1e-4, fused=True)

    def loss(x: Tensor) -> Tensor:
        return -contestant.log_prob(x).mean()

    measure: Callable[[Tensor], Tensor] = torch.compile(loss, dynamic=False) if compiled else loss

    def take() -> None:
        optimizer.zero_grad()
        measure(x).backward()
        optimizer.step()

    return take


CONVOLUTIONS = {"3x3": 2 * 9 * 128 * 128 * 256 * 32, "1x1": 2 * 128 * 128 * 256 * 32}  # and their operations


def convolutions() -> dict[str, Work]:
    """The convolutions by which the machine's peak is measured."""

    def one(size: int) -> Work:
        weight = torch.randn(128, 128, size, size).to(memory_format=torch.channels_last)
        x = torch.randn(32, 128, 16, 16).to(memory_format=torch.channels_last)
        return torch.inference_mode()(lambda: F.conv2d(x, weight, padding=size // 2))

    return {kind: one(int(kind[0])) for kind in CONVOLUTIONS}


def in_turn(works: dict[str, Work], repeats: int, clock: Callable[[], float]) -> dict[str, float]:
    """Median seconds of each, one after the other, so that all meet what else the machine does."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(repeats + 1):
        for name, work in works.items():
            start = clock()
            work()
            if turn:  # the first is for caches
                times[name].append(clock() - start)
    return {name: statistics.median(took) for name, took in times.items()}


def alone(case: str, who: str, task: str) -> float:
    """The peak memory of a process that does one task, in MB."""
    command = [sys.executable, str(Path(__file__)), "--case", case, "--alone", who, task]
    command += ["--threads", str(torch.get_num_threads())]
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def peak_memory(case: Case, who: str, task: str) -> float:
    """The most that this process has held, in MB, after a task done three times."""
    work = prepare(case, who, task)
    for _ in range(2):
        work()
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) * 1024 / 1e6  # getrusage would count the process that started this one


def print_ratios(rates: dict[str, dict[str, float]], peak: float, operations: int) -> None:
    """Ours against the fastest peer, and against the machine."""
    for who in [who for who in rates["trained"] if who in ("flowgen", "compiled")]:
        told = []
        for task in TASKS:
            peers = [rate for other, rate in rates[task].items() if other not in ("flowgen", "compiled")]
            told += [f"{task} {rates[task][who] / max(peers):.2f}"] if who in rates[task] else []
        share = rates["trained"][who] * operations / peak
        print(
            f"{who}, times as fast as the fastest peer: {', '.join(told)}; "
            f"{rates['trained'][who] * operations / 1e9:.0f} of {peak / 1e9:.0f} GFLOP/s, {100 * share:.0f} %"
        )


if __name__ == "__main__":
    main()
