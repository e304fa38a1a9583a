"""A run of inpainting as the page shows it: what comes, as it comes, and its result."""

import dataclasses
import math
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from flowgen.errors import FlowgenError
from flowgen.hyperparameters import configure
from flowgen.inference import KERNELS, METHODS, Frame, Recorder, Result, complete
from flowgen.inference.inpaint import check_known
from flowgen.interruption import Check, Interrupted, watched
from flowgen.library import Library
from flowgen.ui import arguments, completion, controls, view
from flowgen.ui.boxes import sample_seed
from flowgen.ui.gallery import gallery_of
from flowgen.ui.inpaint_endpoint import check_settings
from flowgen.ui.limits import LIMITS
from flowgen.ui.links import NO_LINK, copy_link, packed
from flowgen.ui.picture import Seen, Value, read_box
from flowgen.ui.stops import Stopped

__all__ = ["Shown", "show"]

Shown = tuple[str, Value | None]
"""The report, and once the run has ended, its gallery."""

SECONDS_BETWEEN_FRAMES = 0.2
SECONDS_AFTER_STOP = 0.4  # for pictures of what came before it: others wait


def show(
    library: Library,
    name: str,
    value: Any,
    method: str,
    asked: dict[str, Any],
    chosen: dict[str, Any],
    *,
    check: Check,
) -> Iterator[Shown]:
    """The page's result as it comes, a few times a second; leaving this iterator ends the computation.

    What can be refused at once is refused before anything is shown.

    Args:
        library: the models.
        name: of the model.
        value: of the picture box.
        method: a name in METHODS.
        asked: num, steps and seed, as the page sends them.
        chosen: the method's own settings, as the page sends them.
        check: raises Interrupted to end the run, which keeps what came so far.
    """
    meta = arguments.model(library, name)
    seen = read_box(value, meta.event_shape, meta.levels)
    check_settings(library, name, method, **asked)
    asked = {key: int(number) for key, number in asked.items()}
    options = controls.options(METHODS[method], chosen)
    configure(METHODS[method], options)
    check_known(library.load(name), seen.known)
    before = view.with_hole(seen.levels, seen.known, meta.levels)
    yield view.results(view.status("Starting …", 0.0), view.pair(before, before, "being filled in")), None
    try:
        link = _link(name, value, method, asked, options)
        for report, result in _run(library, name, seen, before, method, options, asked, check, link):
            yield report, None if result is None else gallery_of(result, value, before)
    except FlowgenError as error:  # such as what only the method knows of a hole
        yield view.blank(str(error)), None  # instead of what would look as if it went on
        raise


def _run(
    library: Library,
    name: str,
    seen: Seen,
    before: bytes,
    method: str,
    options: dict[str, Any],
    asked: dict[str, Any],
    check: Check,
    link: str,
) -> Iterator[tuple[str, Result | None]]:
    model, stem = library.load(name), f"filled-seed{asked['seed']}"
    recorder = Recorder(seen.levels, seen.known, model.levels, METHODS[method])
    started = shown_at = time.monotonic()
    why, by_rows = "", method not in KERNELS
    frames = partial(complete, model, seen.levels, seen.known, method=method, options=options, **asked)
    try:
        for frame in recorder.watch(watched(begun(frames), check)):
            now = time.monotonic()
            if frame.step < frame.num_steps and now - shown_at > SECONDS_BETWEEN_FRAMES:
                shown_at = now
                yield (
                    completion.running(
                        frame, recorder.trace(), before, model.levels, now - started, stem, by_rows=by_rows
                    ),
                    None,
                )
    except Interrupted as end:
        if recorder.last is None:
            yield view.blank(str(end)), None
            return
        why = (
            "stopped"
            if isinstance(end, Stopped)
            else f"ended after {LIMITS.seconds:.0f} s, the most that a run may take"
        )
    assert recorder.last is not None
    full = dataclasses.asdict(configure(METHODS[method], options))
    settings = {"model": name, "model_sha256": library.fingerprint(name), "method": method, "options": full, **asked}
    seconds = time.monotonic() - started
    result = recorder.result(settings, seconds=SECONDS_AFTER_STOP if why else math.inf)
    yield completion.ended(recorder.last, result, seconds, stem, why=why, link=link, by_rows=by_rows), result


def _link(name: str, value: Any, method: str, asked: dict[str, Any], options: dict[str, Any]) -> str:
    """To the same hole in the same sample, and the same run."""
    seed = sample_seed(value, name)
    if seed is None:
        return NO_LINK
    own = {f"{method}.{field}": option for field, option in options.items()}
    return copy_link("Inpaint", model=name, picture=seed, mask=packed(value["mask"]), method=method, **asked, **own)


def begun(frames: Callable[[], Iterator[Frame]]) -> Iterator[Frame]:
    """The frames of a run, whose start is made when the first is asked for: it takes its time, too."""
    yield from frames()
