"""How a run of inpainting looks on the page: while it goes, and when it has ended."""

from flowgen.inference import Diagnostics, Frame, Result, Trace
from flowgen.ui import view
from flowgen.ui.chart import chart

__all__ = ["ended", "running"]

ADVICE = (
    "Each completion is plausible, but how much they differ does not yet tell how much is open. "
    "Take more steps, or Careful, for that."
)


def running(
    frame: Frame, trace: Trace, before: bytes, num_levels: int, seconds: float, stem: str, *, by_rows: bool = False
) -> str:
    """The frame, the log-densities so far, and how long it still takes."""
    to_go = f"{seconds / frame.step * (frame.num_steps - frame.step):.1f} s to go"
    shown = view.status(_progress(frame, seconds, to_go), frame.step / frame.num_steps)
    images = [view.png(one, num_levels) for one in frame.levels]
    return view.results(shown, _pictures(images, before, stem), chart(trace, frame.num_steps, by_rows=by_rows))


def ended(
    frame: Frame, result: Result, seconds: float, stem: str, *, why: str = "", link: str = "", by_rows: bool = False
) -> str:
    """The result beside its gallery: what the variants have in common, how far to trust them, and all to take away.

    Args:
        frame: the last.
        result: of the run.
        seconds: that it took.
        stem: what file names begin with.
        why: it ended early, or nothing.
        link: to the same run, or why there is none.
        by_rows: a step was a row.
    """
    archive = view.link(result.archive(), f"{stem}.zip", "Download everything (zip)", mime="application/zip")
    inside = "<span>completions, mean, deviation, animation, trace, settings</span>"
    return view.results(
        view.status(_progress(frame, seconds, why), 1.0),
        _verdict(result.diagnostics),
        _summary(result, stem),
        chart(result.trace, frame.num_steps, by_rows=by_rows),
        f'<div class="fg-links">{archive}{inside}{link}</div>',
    )


def _progress(frame: Frame, seconds: float, remark: str) -> str:
    parts = [f"step {frame.step} of {frame.num_steps}", f"{seconds:.1f} s", remark]
    parts.append(f"log-density {float(frame.log_density.mean()):.0f} nats")
    if frame.acceptance_rate is not None:
        parts.append(f"accepted {100 * frame.acceptance_rate:.0f} %")
    if frame.log_evidence is not None:
        parts.append(f"log p(known) {frame.log_evidence:.1f} nats")
    if frame.rejected:
        parts.append(f"{frame.rejected} proposals were not finite and refused")
    return " · ".join(filter(None, parts))


def _pictures(images: list[bytes], before: bytes, stem: str) -> str:
    names = [f"{stem}-{i}.png" for i in range(len(images))]
    several = len(images) > 1
    pair = view.pair(before, images[0], "after, #0" if several else "after", names[0])
    variants = view.tiles(images, [f"#{i}" for i in range(len(images))], names, size=104) if several else ""
    return pair + variants


def _summary(result: Result, stem: str) -> str:
    of = "the draws" if result.diagnostics.converged is not None else "the variants"
    still = result.mean_png()
    film = view.tile(result.film_webp(), "the run, animated", f"{stem}-run.webp", mime="image/webp", still=still)
    mean = view.tile(still, f"mean of {of}", f"{stem}-mean.png")
    deviation = view.tile(result.deviation_png(), f"deviation of {of}", f"{stem}-deviation.png")
    return f'<div class="fg-trio">{mean}{deviation}{film}</div>'


def _verdict(diagnostics: Diagnostics) -> str:
    mood = {True: "is-good", False: "is-bad", None: "is-other"}[diagnostics.converged]
    facts = [
        ("split R-hat", diagnostics.r_hat, "{:.2f}"),
        ("bulk ESS", diagnostics.ess_bulk, "{:.0f}"),
        ("tail ESS", diagnostics.ess_tail, "{:.0f}"),
        ("ESS/s", diagnostics.ess_per_second, "{:.1f}"),
        ("accepted", None if diagnostics.acceptance is None else 100 * diagnostics.acceptance, "{:.0f} %"),
        ("log p(known)", diagnostics.log_evidence, "{:.1f} nats"),
    ]
    figures = [(name, form.format(value)) for name, value, form in facts if value is not None]
    return view.verdict(diagnostics.verdict, mood, figures, ADVICE if diagnostics.converged is False else "")
