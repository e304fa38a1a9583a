"""Pace: how long a run will take on this machine, measured by a few steps of it, and how many fit into a time."""

import statistics
import time
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch

from flowgen.data import to_bytes
from flowgen.inference import METHODS, Recorder, complete
from flowgen.inference.inpaint import SEARCH_STEPS
from flowgen.inference.memory import bytes_per_image
from flowgen.inference.recorder import FILM, PICTURES
from flowgen.library import Library
from flowgen.ui.limits import LIMITS

__all__ = ["PRESETS", "Pace", "Paces", "Preset", "expected"]

PROBE = 6  # steps that are measured, or as many as fit into the seconds
PROBE_SECONDS = 3.0
PROBE_VARIANTS = 4
FEWEST_STEPS = 4
PAGE = 1.15  # what showing frames adds


@dataclass(frozen=True)
class Preset:
    """A size of run.

    Args:
        seconds: within which it answers.
        aim: seconds to plan for, less than that, since a machine does other things too.
        variants: how many, where so many fit.
    """

    seconds: float
    aim: float
    variants: int


PRESETS = {"Fast": Preset(5, 3.2, 4), "Balanced": Preset(20, 14, 4), "Careful": Preset(60, 45, 8)}


@dataclass(frozen=True)
class Pace:
    """What was measured, with PROBE_VARIANTS variants; all but `finish` grows with their number.

    Args:
        start: seconds to the first frame.
        early, late: of a step of the first half and of the second: a search or a way to the target, and what follows.
        picture: to turn one position into a picture.
        finish: for diagnostics and the archive.
        fixed: how many steps there are, where the method decides.
        halves: whether all the first half is early, or at most SEARCH_STEPS.
    """

    start: float
    early: float
    late: float
    picture: float
    finish: float
    fixed: int | None = None
    halves: bool = False

    def seconds(self, num: int, steps: int) -> float:
        """How long a run will take."""
        share = num / PROBE_VARIANTS
        if self.fixed is not None:
            return PAGE * share * (self.start + self.fixed * self.late) + self.finish
        early = steps // 2 if self.halves else min(SEARCH_STEPS, steps // 2)
        draws = min(PICTURES, num * max(0, steps - early) // 2) + num * min(FILM, steps)
        running = self.start + early * self.early + (steps - early) * self.late
        return PAGE * share * running + self.finish + draws * self.picture

    def plan(self, preset: Preset) -> tuple[int, int]:
        """How many variants and steps a preset has room for: at least one of the former and a few of the latter."""
        num, least = preset.variants, self.fixed or FEWEST_STEPS
        while num > 1 and self.seconds(num, least) > preset.aim:
            num -= 1
        fitting = (steps for steps in range(LIMITS.steps, least, -1) if self.seconds(num, steps) <= preset.aim)
        return num, least if self.fixed is not None else next(fitting, least)


class Paces:
    """The paces of a library's models and methods, each measured when it is first asked for.

    Args:
        library: the models.
    """

    def __init__(self, library: Library) -> None:
        self.library = library
        self._measured: dict[tuple[str, str], Pace] = {}

    def of(self, name: str, method: str) -> Pace:
        """The pace of a method with its usual settings; measuring it is work, and waits in line."""
        pace = self.known(name, method)
        if pace is None:
            pace = self.learn(name, method, _measure(self.library.load(name), method))
        return pace

    def known(self, name: str, method: str) -> Pace | None:
        """The same, if it has been measured."""
        return self._measured.get((name, method))

    def learn(self, name: str, method: str, pace: Pace) -> Pace:
        """Remember what was measured, here or in another process."""
        self._measured[name, method] = pace
        return pace


def _measure(model: Any, method: str) -> Pace:
    """A short run on a sample of the model's own of which the lower quarter is hidden, with the clock in hand."""
    import arviz_stats.base  # noqa: F401  the first import takes most of a second, which no later run pays

    bytes_per_image(model)  # and neither does a later run measure this
    (image,) = to_bytes(model.sample(1, temperature=0.7, seed=0).nan_to_num(0.5), model.levels)
    known = torch.ones(model.event_shape[1:], dtype=torch.bool)
    known[3 * len(known) // 4 :] = False
    recorder, times = Recorder(image, known, model.levels, METHODS[method]), [time.perf_counter()]
    for _ in recorder.watch(complete(model, image, known, method=method, num=PROBE_VARIANTS, steps=PROBE)):
        times.append(time.perf_counter())
        if times[-1] - times[0] > PROBE_SECONDS:
            break
    last = recorder.last
    assert last is not None
    _ = last.levels
    picture = (time.perf_counter() - times[-1]) / PROBE_VARIANTS
    recorder.result({}).archive()
    finish = time.perf_counter() - times[-1]
    gaps = [after - before for before, after in pairwise(times)]
    if last.num_steps != PROBE:  # a step a row: of a hole in the middle, three quarters of them
        return Pace(gaps[0], 0.0, statistics.mean(gaps[-PROBE:]), picture, finish, fixed=3 * len(known) // 4)
    halves = hasattr(METHODS[method], "num_particles")
    if len(gaps) < PROBE:
        each = statistics.mean(gaps[1:] or gaps)
        return Pace(max(0.0, gaps[0] - each), each, each, picture, finish, halves=halves)
    early, late = statistics.mean(gaps[1:3]), statistics.mean(gaps[4:6])
    start = max(0.0, gaps[0] - early) + max(0.0, gaps[3] - late)
    return Pace(start, early, late, picture, finish, halves=halves)


def expected(pace: Pace, num: int, steps: int) -> str:
    """What to tell a visitor before the run."""
    each = "a step a row" if pace.fixed is not None else f"{steps} steps"
    variants = "1 variant" if num == 1 else f"{num} variants"
    return f"{variants}, {each}: about {max(1.0, pace.seconds(num, steps)):.0f} s on this machine"
