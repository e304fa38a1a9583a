"""What inference costs, and what it is worth beside Pyro's HMC: python bench/inference.py [--threads 2].

It prints the price of a step against the bare passes through the model that it needs, how long gradient ascent takes
to within a nat of what ten times as many steps reach, and effective samples a second beside Pyro's on the same targets,
in one run. What else runs on the machine goes into the times, so run it on a quiet one, or on one thread with
--clock cpu. Pyro is in requirements.txt.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from arviz_stats.base import array_stats
from pyro.infer.mcmc import HMC as PyroHMC
from pyro.infer.mcmc import MCMC
from speed import machine
from torch import Tensor
from torch.nn import functional as F

import flowgen
from flowgen.data import DATASETS
from flowgen.inference import Reals, Target, complete, pixel_target
from flowgen.inference.kernels import HMC, MALA, PCN
from flowgen.inference.kernels.gradient import evaluate
from flowgen.inference.start import Search
from flowgen.models import FLOWS

CHAINS, HOLE = 16, 14
PEER_CHAINS = 4
CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}


def main() -> None:
    """Print everything."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--threads", type=int, default=torch.get_num_threads(), help="CPU threads")
    arguments.add_argument("--only", choices=("steps", "ascents", "peers"), nargs="*", help="parts; all by default")
    arguments.add_argument(
        "--clock", choices=list(CLOCKS), default="wall", help="cpu: of this process, on a busy machine"
    )
    arguments.add_argument("--repeats", type=int, default=30, help="steps that are timed, of which the median counts")
    chosen = arguments.parse_args()
    torch.set_num_threads(chosen.threads)
    print(machine(), flush=True)
    parts, clock = chosen.only or ("steps", "ascents", "peers"), CLOCKS[chosen.clock]
    if "steps" in parts or "ascents" in parts:
        model = flowgen.load("glow-mnist", device="cpu").frozen()
        image = flowgen.to_bytes(model.sample(1, seed=3, temperature=0.8), model.levels)[0]
    if "steps" in parts:
        steps(model, image, chosen.repeats)
    if "ascents" in parts:
        ascents(model, image, clock)
    if "peers" in parts:
        peers(clock)


def known(hole: int) -> Tensor:
    """All but a square in the middle, (1, 28, 28)."""
    mask = torch.ones(1, 28, 28, dtype=torch.bool)
    edge = (28 - hole) // 2
    mask[:, edge : edge + hole, edge : edge + hole] = False
    return mask


def steps(model: Any, image: Tensor, repeats: int) -> None:
    """A step of 16 chains of MALA and of pCN against the passes through the model that each of them needs."""
    pixels, search = pixel_target(model, image, known(HOLE)), Search(model, image, known(HOLE))
    x = model.sample(CHAINS, seed=0).clamp(1e-3, 1 - 1e-3)
    w = search.first(CHAINS, torch.Generator().manual_seed(0))
    bare = Target(lambda u: model.log_prob(u.unflatten(1, image.shape)), None, Reals(x[0].numel()), lambda u: u)
    row("MALA", stepper(MALA(step_size=1e-4), pixels, search.pixels(w)), lambda: evaluate(bare, x.flatten(1)), repeats)

    @torch.no_grad()
    def passes() -> None:
        decoded = model.decode(w)
        model.log_prob(torch.cat([decoded, decoded]))

    row("pCN", stepper(PCN(step_size=0.01), search.augmented, w), passes, repeats)


def stepper(kernel: Any, target: Target, position: Tensor) -> Callable[[], None]:
    """A step of a run that goes on from call to call."""
    generator, state = torch.Generator().manual_seed(0), kernel.init(target, position)

    def step() -> None:
        nonlocal state
        state, _ = kernel.step(target, state, generator)

    return step


def row(name: str, step: Callable[[], object], bare: Callable[[], object], repeats: int) -> None:
    """One kernel's price; both are timed in turn, so that what else runs falls on both."""
    times: dict[Callable[[], object], list[float]] = {step: [], bare: []}
    for _ in range(repeats + 2):
        for work, taken in times.items():
            start = time.perf_counter()
            work()
            taken.append(time.perf_counter() - start)
    ratio = statistics.median(a / b for a, b in zip(times[step][2:], times[bare][2:], strict=True))
    milliseconds = 1000 * statistics.median(times[step][2:])
    print(f"{name}, a step of {CHAINS} chains: {milliseconds:.0f} ms, {ratio:.2f} times its bare passes", flush=True)


def ascents(model: Any, image: Tensor, clock: Callable[[], float]) -> None:
    """Seconds of the shortest run, of a few, that comes within a nat of one of ten times as many steps."""
    for method in ("latent_ascent", "gradient_ascent"):
        for num_steps in (100, 150, 180, 200):
            reached, seconds = ascent(model, image, method, num_steps, clock)
            best, _ = ascent(model, image, method, 10 * num_steps, clock)
            gap = best - reached
            print(f"{method}, {num_steps} steps: {seconds:.1f} s, {gap:.2f} nats under ten times as many", flush=True)
            if gap <= 1:
                break


def ascent(model: Any, image: Tensor, method: str, num_steps: int, clock: Callable[[], float]) -> tuple[float, float]:
    """The log-density that a completion ends at, and the seconds it takes, the search for a start included."""
    start = clock()
    *_, last = complete(model, image, known(HOLE)[0], method=method, num=1, steps=num_steps, seed=0)
    return float(last.log_density), clock() - start


def peers(clock: Callable[[], float]) -> None:
    """Effective samples a second, the least of any coordinate, beside Pyro's HMC: as many chains, steps, and warm-up.

    Both adapt the step size from the same start; FlowGen keeps the number of leapfrog steps then, Pyro their path's
    length. Pyro runs one chain after another, FlowGen all of them as one batch.
    """
    target = gaussian(100)
    start = torch.zeros(PEER_CHAINS, 100, dtype=torch.float64)
    compare(
        "correlated Gaussian, 100-D",
        target,
        start,
        step_size=0.2,
        num_leapfrog=20,
        num_warmup=200,
        num_draws=400,
        clock=clock,
    )
    pixels = half_hidden(small_flow())
    start = torch.zeros(PEER_CHAINS, 4, dtype=torch.float64)
    compare(
        "4 hidden pixels of 8 of a small Glow",
        pixels,
        start,
        step_size=0.3,
        num_leapfrog=5,
        num_warmup=100,
        num_draws=200,
        clock=clock,
    )


def small_flow() -> Any:
    """A Glow of 2 x 4 pixels after 300 steps on digits, on which either sampler mixes within a minute."""
    digits = DATASETS["mnist"]().load("test").levels.float()
    levels = F.avg_pool2d(digits[:, :, 4:24, 4:24], (10, 5)).byte()
    torch.manual_seed(0)
    model = FLOWS["glow"](scales=1, depth=2, hidden=12, mixture=0).build((1, 2, 4))
    model.initialize((levels + torch.rand(levels.shape)) / 256)
    adam = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(300):
        batch = levels[torch.randint(len(levels), (64,))]
        adam.zero_grad()
        (-model.bound(batch, torch.rand(batch.shape)).mean()).backward()
        adam.step()
    return model.double().frozen()


def half_hidden(model: Any) -> Target:
    """The middle pixels of a picture of the model's own, given the outer ones."""
    mask = torch.tensor([[1, 0, 0, 1], [1, 0, 0, 1]], dtype=torch.bool)[None]
    image = flowgen.to_bytes(model.sample(1, seed=0), model.levels)[0]
    return pixel_target(model, image, mask)


def gaussian(dim: int) -> Target:
    """A Gaussian whose neighbours are correlated by 0.9."""
    where = torch.arange(dim, dtype=torch.float64)
    precision = (0.9 ** (where[:, None] - where[None]).abs()).inverse()
    return Target(lambda u: -0.5 * ((u @ precision) * u).sum(1), None, Reals(dim), lambda u: u)


def compare(
    name: str,
    target: Target,
    start: Tensor,
    *,
    step_size: float,
    num_leapfrog: int,
    num_warmup: int,
    num_draws: int,
    clock: Callable[[], float],
) -> None:
    """Print one target's line."""
    begun = clock()
    kernel, generator = HMC(step_size=step_size, num_leapfrog=num_leapfrog), torch.Generator().manual_seed(0)
    state, draws = kernel.init(target, start), []
    for step in range(num_warmup + num_draws):
        state, _ = kernel.step(target, state, generator, warmup=step < num_warmup)
        draws.append(state.position)
    ours = effective(torch.stack(draws[num_warmup:], 1)), clock() - begun
    begun = clock()
    theirs_drawn = []
    for position in start:
        peer = PyroHMC(
            potential_fn=lambda at: -target.log_density(at["u"][None])[0],
            step_size=step_size,
            num_steps=num_leapfrog,
        )
        run = MCMC(
            peer, num_draws, warmup_steps=num_warmup, initial_params={"u": position.clone()}, disable_progbar=True
        )
        run.run()
        theirs_drawn.append(run.get_samples()["u"])
    theirs = effective(torch.stack(theirs_drawn)), clock() - begun
    (mine, seconds), (other, other_seconds) = ours, theirs
    print(
        f"{name}: {mine / seconds:.1f} effective samples a second ({mine:.0f} in {seconds:.1f} s), Pyro's HMC "
        f"{other / other_seconds:.1f} ({other:.0f} in {other_seconds:.1f} s): "
        f"{mine / seconds / (other / other_seconds):.1f} times as many",
        flush=True,
    )


def effective(draws: Tensor) -> float:
    """The least bulk effective sample size of any coordinate of (chains, draws, dim)."""
    values = np.asarray(draws.double())
    return min(
        float(array_stats.ess(values[:, :, i], chain_axis=0, draw_axis=1, method="bulk"))
        for i in range(values.shape[2])
    )


if __name__ == "__main__":
    main()
