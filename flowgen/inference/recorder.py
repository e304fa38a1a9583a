"""A recorder: keeps of a stream of frames what a result is made of, at next to no cost on the way."""

import math
import time
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from flowgen.errors import FlowgenError
from flowgen.inference.diagnostics import Diagnostics, Kind, diagnose, kind_of, makes_chains, statistics
from flowgen.inference.frame import Frame
from flowgen.inference.results import Result, Trace

__all__ = ["Recorder"]

PICTURES = 1024  # of draws, all chains together
FILM = 48  # frames of the animation
AT_ONCE = 128  # pictures decoded in one batch


class _Row(NamedTuple):
    step: int
    log_density: Tensor
    warming_up: bool
    rate: Tensor | None


class Recorder:
    """Keeps of a run every log-density, and of its frames as many as a mean, a deviation and an animation need.

    Frames are kept as they are, positions on their device: what a picture costs is paid once, in `result`.

    Args:
        image: (c, h, w) uint8, what was given.
        known: (h, w) bool, True where it is kept.
        levels: values a pixel takes.
        method: the class of the method, a value of METHODS.
    """

    def __init__(self, image: Tensor, known: Tensor, levels: int, method: type[Any]) -> None:
        self.image, self.known, self.levels, self.method = image.cpu(), known.cpu(), levels, method
        self.last: Frame | None = None
        self._warmup = 0
        self._started = self._ended = time.monotonic()
        self._trace: list[_Row] = []
        self._draws: list[Frame] = []
        self._film: list[Frame] = []

    def watch(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """The same frames, each kept on its way as far as it is needed."""
        for frame in frames:
            self.add(frame)
            yield frame

    def add(self, frame: Frame) -> None:
        """Keep what is needed of a frame."""
        self.last, self._ended = frame, time.monotonic()
        rate = None if frame.acceptance is None else frame.acceptance.mean()
        self._trace.append(_Row(frame.step, frame.log_density, frame.warming_up, rate))
        if _is_due(frame.step, frame.num_steps, FILM):
            self._film.append(frame)
        if frame.warming_up:
            self._warmup = frame.step
        elif makes_chains(self.method):
            room = max(PICTURES // len(frame.position), 1)
            if _is_due(frame.step - self._warmup, frame.num_steps - self._warmup, room):
                self._draws.append(frame)

    def trace(self) -> Trace:
        """The log-densities so far."""
        if self.last is None:
            raise FlowgenError("There is no result: the run was ended before its first step.")
        chains = len(self.last.log_density)
        rows = [row for row in self._trace if len(row.log_density) == chains]
        rates = [torch.full_like(row.log_density[0], torch.nan) if row.rate is None else row.rate for row in rows]
        return Trace(
            steps=np.array([row.step for row in rows]),
            log_density=torch.stack([row.log_density for row in rows]).double().cpu().numpy(),
            warming_up=np.array([row.warming_up for row in rows]),
            acceptance=torch.stack(rates).double().cpu().numpy(),
        )

    def result(self, settings: Mapping[str, Any], *, seconds: float = math.inf) -> Result:
        """All that came so far, whether the run went to its end or was stopped.

        Args:
            settings: what made it, for the archive; as JSON holds it.
            seconds: for pictures of draws and of the animation, about; as many as fit are made, evenly spread. Those of
                latents have to be decoded, which takes seconds where there are a thousand.

        Raises:
            FlowgenError: if nothing came.
        """
        trace = self.trace()
        assert self.last is not None
        kind = kind_of(self.method, self.last)
        room = PICTURES if seconds == math.inf else self._frames_within(seconds / 2)
        draws = _thinned(self._draws, room) if kind in ("chains", "unadjusted") else []
        pictures = _pictures(draws or [self.last])
        return Result(
            image=self.image,
            known=self.known,
            levels=self.levels,
            completions=self.last.levels.cpu(),
            mean=pictures.flatten(0, 1).double().mean(0),
            deviation=pictures.flatten(0, 1).double().std(0, correction=0),
            film=_film(_thinned(self._film, room) or [self.last]),
            trace=trace,
            diagnostics=self._diagnose(kind, trace, pictures[: len(draws)], self.last),
            settings={**settings, "steps": self.last.num_steps, "steps_done": self.last.step},
        )

    def _frames_within(self, seconds: float) -> int:
        """How many frames' pictures can be made in a time; those of a search, which begins a run, may take longer."""
        started = time.monotonic()
        for frame in filter(None, [*self._film[:1], self.last]):
            _ = frame.levels
        return max(1, int(seconds / (time.monotonic() - started)))

    def _diagnose(self, kind: Kind, trace: Trace, pictures: Tensor, last: Frame) -> Diagnostics:
        """Judge the draws, (draws, chains, c, h, w) uint8."""
        hidden = ~self.known.flatten().repeat(len(self.image))
        drawn = pictures.flatten(2)[:, :, hidden].double().numpy().swapaxes(0, 1)
        return diagnose(
            kind,
            statistics(trace.log_density[~trace.warming_up].T, drawn, _names(hidden.view(self.image.shape))),
            seconds=self._ended - self._started,
            acceptance=None if last.acceptance is None else last.acceptance.double().cpu().numpy(),
            log_evidence=last.log_evidence,
        )


def _names(hidden: Tensor) -> list[str]:
    """What to call the hidden pixels of (c, h, w), in the order of their flat coordinates."""
    colour = [""] if len(hidden) == 1 else [f", channel {c + 1}" for c in range(len(hidden))]
    return [f"the pixel in row {i + 1}, column {j + 1}{colour[c]}" for c, i, j in hidden.nonzero().tolist()]


def _is_due(number: int, total: int, room: int) -> bool:
    """Whether a number, from 1 to a total, is among those evenly spread that there is room for; the last always is."""
    stride = -(-total // room)
    return (total - number) % stride == 0


def _thinned(frames: list[Frame], room: int) -> list[Frame]:
    """As many of the frames as there is room for, evenly spread; the last is among them."""
    stride = -(-len(frames) // room) or 1
    return frames[::-1][::stride][::-1]


@torch.no_grad()
def _pictures(frames: list[Frame]) -> Tensor:
    """The images of frames of equally many chains, (frames, chains, c, h, w) uint8, decoded many at once."""
    images = []
    for _, alike in groupby(frames, key=lambda frame: id(frame.to_image)):
        group = list(alike)
        chunks = torch.cat([frame.position for frame in group]).split(AT_ONCE)
        images.append(torch.cat([group[0].to_image(chunk).cpu() for chunk in chunks]).unflatten(0, (len(group), -1)))
    return torch.cat(images)


def _film(frames: list[Frame]) -> Tensor:
    """The animation's images, of frames of as many chains as the last."""
    return _pictures([frame for frame in frames if len(frame.position) == len(frames[-1].position)])
