"""How the scores of a picture look on the page: the sentence, the curve, the map, and what else costs how much."""

import html
import math
from collections.abc import Mapping, Sequence

import numpy as np

from flowgen.checkpoint import Meta
from flowgen.evaluation import Attribution
from flowgen.ui import heat, view
from flowgen.ui.scoring import Landmark, Score

__all__ = ["show"]

MAPS = (
    "<b>Where the bits go:</b> the brighter a pixel, the more it costs. A model that draws pixel after pixel pays for "
    "each as it comes, so that its map adds up to the picture's bits exactly. A flow weighs the picture as a whole: "
    "its map says what a pixel costs at least once all others are known, and adds up to nothing."
)
TYPICAL = "<b>Fewest bits is not most typical.</b> {blank}What {model} draws itself costs neither least nor most."
LIKELIEST = "The blank picture is likelier than any of the test images, and like none of them. "


def show(
    found: Sequence[Score], maps: Mapping[str, Attribution], landmarks: Sequence[Landmark] = (), progress: str = ""
) -> str:
    """All scores.

    Args:
        found: of every model.
        maps: by the model's name, as far as there are any.
        landmarks: what else costs how much to the first of the models.
        progress: of a map under way, already HTML.
    """
    rows = "".join(_row(score, maps.get(score.meta.name)) for score in found)
    ladder = _ladder(found[0], landmarks) if landmarks else ""
    return view.results(progress, ladder, f"<div>{rows}</div>", f'<p class="fg-note">{MAPS}</p>')


def _ladder(best: Score, landmarks: Sequence[Landmark]) -> str:
    """The picture among a blank one, a draw and noise, in the order of their bits."""
    yours = [] if best.bits is None else [Landmark("yours", best.levels, best.bits)]
    steps = sorted([*landmarks, *yours], key=lambda step: step.bits)
    tiles = "".join(
        f'<figure class="fg-tile{" is-yours" if step.name == "yours" else ""}">'
        f"{view.picture(view.png(step.levels, best.meta.levels), step.name)}"
        f"<figcaption><span>{step.name}</span><b>{step.bits:.2f}</b></figcaption></figure>"
        for step in steps
    )
    least = best.meta.quantiles[0] if best.meta.quantiles else -math.inf
    likeliest = any(step.name == "blank" and step.bits < least for step in landmarks)
    text = TYPICAL.format(model=html.escape(best.meta.name), blank=LIKELIEST if likeliest else "")
    return f'<div class="fg-ladder"><p>{text}</p><div>{tiles}</div></div>'


def _row(score: Score, attribution: Attribution | None) -> str:
    meta = score.meta
    seen = view.picture(view.png(score.levels, meta.levels), f"the picture as {meta.name} sees it")
    chart = "" if score.costlier is None or score.bits is None else _chart(meta, score.bits)
    bits = "—" if score.bits is None else f"{score.bits:.2f}"
    return (
        f'<section class="fg-score" data-model="{html.escape(meta.name, quote=True)}">'
        f'<div class="fg-looks"><figure>{seen}<figcaption>as it sees it</figcaption></figure>'
        f"{_map(score, attribution)}</div>"
        f"<div><h3>{html.escape(meta.name)}<b>{bits} bits/dim</b></h3>{chart}<p>{html.escape(_verdict(score))}</p>"
        "</div></section>"
    )


def _map(score: Score, attribution: Attribution | None) -> str:
    if attribution is None:
        text = "no map" if score.bits is None else "map to come"
        return f'<figure class="fg-heat"><div class="fg-none"></div><figcaption>{text}</figcaption></figure>'
    whole = (
        f"which add up to {float(attribution.bits.sum()):.0f}" if attribution.exact else "at least, all others known"
    )
    return heat.figure(attribution.bits, f"bits of each pixel to {score.meta.name}, {whole}")


def _verdict(score: Score) -> str:
    share, kind = score.costlier, score.meta.dataset.replace("_", " ")
    if score.bits is None:
        return "To this model the picture is impossible: its probability is not a finite number."
    if share is None:
        return "There are no test figures to compare with."
    if share <= 0:
        return f"It costs more than any of the {kind} test images: to this model it is a strange thing."
    if share >= 100:
        return f"It costs less than any of the {kind} test images: likelier than all of them, and typical of none."
    if share < 5:
        return f"{100 - share:.0f} % of the {kind} test images cost less: this one is unusual."
    if share > 95:
        return f"{int(min(share, 99))} % or more of the {kind} test images cost more: simpler than almost all."
    return f"{share:.0f} % of the {kind} test images cost more: an ordinary one."


def _chart(meta: Meta, bits: float, bins: int = 40) -> str:
    """The test images' bits per dimension as a curve, and where this image falls, beside it if need be."""
    least, most = meta.quantiles[0], meta.quantiles[-2]  # the last per cent would squeeze all others together
    span = max(most - least, 1e-9)
    low, high = max(min(least, bits) - 0.04 * span, least - span), min(max(most, bits) + 0.04 * span, most + span)
    edges = np.linspace(low, high, bins + 1)
    share = np.interp(edges, meta.quantiles, np.linspace(0, 1, len(meta.quantiles)))
    heights = np.convolve(np.diff(share), [0.25, 0.5, 0.25], mode="same")
    heights = heights / max(heights.max(), 1e-9)
    points = " ".join(f"{100 * (i + 0.5) / bins:.2f},{60 - 54 * height:.2f}" for i, height in enumerate(heights))
    at = float(np.clip((bits - low) / (high - low), 0.004, 0.996)) * 100
    beyond = "far beyond →" if bits > high else "← far below" if bits < low else ""
    return (
        f'<svg viewBox="0 0 100 60" preserveAspectRatio="none" role="img" '
        f'aria-label="{bits:.2f} bits per dimension; test images from {least:.2f} to {most:.2f}">'
        f'<polygon class="area" points="0,60 {points} 100,60"/>'
        f'<line class="mark" x1="{at:.2f}" x2="{at:.2f}" y1="0" y2="60"/></svg>'
        f'<div class="ends"><span>{max(low, 0):.2f}</span><span>test images, bits/dim{_of(meta)}</span>'
        f"<span>{beyond or f'{high:.2f}'}</span></div>"
    )


def _of(meta: Meta) -> str:
    return "" if meta.bits_per_dim is None else f", mean {meta.bits_per_dim:.2f}"
