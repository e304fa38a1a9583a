"""The tab that says how well each model predicts an image, and the endpoint /score."""

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import gradio as gr
import numpy as np
from PIL import Image
from torch import Tensor

from flowgen.checkpoint import Meta
from flowgen.data.pictures import to_levels
from flowgen.errors import FlowgenError
from flowgen.evaluation import bits_per_dim
from flowgen.library import Library
from flowgen.ui import arguments, controls, view
from flowgen.ui.events import endpoint, on_page
from flowgen.ui.examples import SCORE, boxes_of, example_row
from flowgen.ui.kept import Asked, keep
from flowgen.ui.picture import connect, kept_box, picture_box, read_source

__all__ = ["build"]

Invert = bool | Literal["auto"]


@dataclass(frozen=True)
class Score:
    """What a model makes of one image.

    Args:
        meta: of the model.
        levels: the image as the model sees it, (c, h, w) uint8.
        bits: bits per dimension, by the protocol of the model's own test; None where they are not finite.
        costlier: per cent of the test images that cost more bits; None where the model was not tested.
    """

    meta: Meta
    levels: Tensor
    bits: float | None
    costlier: float | None


def build(library: Library) -> None:
    """Lay out the tab and offer its endpoint."""
    controls.lead(
        "How many bits does a model need for each number of your image? The better it predicts, the fewer. Compare "
        "with test images that it never saw: <b>fewest is not most typical</b>. An empty picture costs less than any "
        "digit."
    )
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=280, elem_classes="fg-panel"):
            model = controls.model_menu(
                library,
                "score-model",
                label="Sample from",
                info="Shows an upload as this model sees it, too; every model scores",
            )
            box = picture_box("Picture to score", "score-picture")
            examples = example_row(SCORE, "score-examples")
            run = gr.Button("Score", variant="primary", elem_id="score-run", elem_classes="fg-run")
        with gr.Column(scale=8, min_width=320):
            shown = gr.HTML(
                view.blank("Upload a picture, or draw a sample, and press Score."),
                elem_id="score-result",
                apply_default_css=False,
            )

    def score(value: Any) -> str:
        return show(scores(library, *read_source(value)))

    def take(chosen: Any, name: str) -> Any:
        return boxes_of(SCORE, chosen, arguments.model(library, name))[0]

    def restore(sent: Any) -> list[Any]:
        asked = Asked(sent)
        if not asked.values:
            return [gr.skip()] * 2
        meta = asked.get("model", lambda name: arguments.model(library, name), library.describe(model.value))
        return [meta.name, kept_box(asked, "picture", meta)]

    connect(box, library, model)
    on_page(run.click, score, box, shown, works=True)
    taken = on_page(examples.click, take, [examples, model], box)
    on_page(taken.success, score, box, shown, works=True)
    keep("Score", {"model": model, "picture": box}, restore, [model, box])
    offer_score(library)


def scores(library: Library, picture: Image.Image, invert: Invert = "auto") -> list[Score]:
    """What every model makes of a picture, the surest first.

    Raises:
        FlowgenError: if there is no model at all.
    """
    found = []
    for name in arguments.models(library):
        meta = library.describe(name)
        levels = to_levels(picture, meta.event_shape, levels=meta.levels, invert=invert)
        bits = float(bits_per_dim(library.load(name), levels[None])[0])
        if math.isfinite(bits):
            found.append(Score(meta, levels, bits, costlier(meta.quantiles, bits)))
        else:
            found.append(Score(meta, levels, None, None))
    if not found:
        raise FlowgenError("There is no model here yet to score with.")
    return sorted(found, key=lambda score: math.inf if score.bits is None else score.bits)


def costlier(quantiles: Sequence[float], bits: float) -> float | None:
    """Per cent of the test images that cost more bits than this, from their quantiles at 0, 1, ..., 100 %."""
    if not quantiles:
        return None
    return 100 - float(np.interp(bits, quantiles, np.linspace(0, 100, len(quantiles))))


def show(found: Sequence[Score]) -> str:
    """All scores as the page shows them."""
    return view.results("".join(map(_row, found)))


def _row(score: Score) -> str:
    meta = score.meta
    seen = view.picture(view.png(score.levels, meta.levels), f"the picture as {meta.name} sees it")
    chart = "" if score.costlier is None or score.bits is None else _chart(meta.quantiles, score.bits)
    bits = "—" if score.bits is None else f"{score.bits:.2f}"
    return (
        f'<section class="fg-score" data-model="{html.escape(meta.name, quote=True)}">{seen}<div>'
        f"<h3>{html.escape(meta.name)}<b>{bits} bits/dim</b></h3>{chart}<p>{html.escape(_verdict(score))}</p>"
        "</div></section>"
    )


def _verdict(score: Score) -> str:
    share, kind = score.costlier, score.meta.dataset.replace("_", " ")
    if score.bits is None:
        return "To this model the picture is impossible: its probability is not a finite number."
    if share is None:
        return "There are no test figures to compare with."
    if share <= 0:
        return f"It costs more than any of the {kind} test images: to this model it is a strange thing."
    if share >= 100:
        return f"It costs less than any of the {kind} test images: not typical of them, but simpler than all."
    if share < 5:
        return f"{100 - share:.0f} % of the {kind} test images cost less: this one is unusual."
    if share > 95:
        return f"{share:.0f} % of the {kind} test images cost more: this one is simpler than almost all."
    return f"{share:.0f} % of the {kind} test images cost more: an ordinary one."


def _chart(quantiles: Sequence[float], bits: float, bins: int = 40) -> str:
    """The test images' bits per dimension as a curve, and where this image falls."""
    low, high = quantiles[0], quantiles[-2]  # the last per cent would squeeze all others together
    edges = np.linspace(low, high, bins + 1)
    share = np.interp(edges, quantiles, np.linspace(0, 1, len(quantiles)))
    heights = np.convolve(np.diff(share), [0.25, 0.5, 0.25], mode="same")
    heights = heights / max(heights.max(), 1e-9)
    points = " ".join(f"{100 * (i + 0.5) / bins:.2f},{60 - 54 * height:.2f}" for i, height in enumerate(heights))
    at = float(np.clip((bits - low) / max(high - low, 1e-9), 0.004, 0.996)) * 100
    return (
        f'<svg viewBox="0 0 100 60" preserveAspectRatio="none" role="img" '
        f'aria-label="{bits:.2f} bits per dimension; test images from {low:.2f} to {high:.2f}">'
        f'<polygon class="area" points="0,60 {points} 100,60"/>'
        f'<line class="mark" x1="{at:.2f}" x2="{at:.2f}" y1="0" y2="60"/></svg>'
        f'<div class="ends"><span>{low:.2f}</span><span>test images, bits/dim</span><span>{high:.2f}</span></div>'
    )


def offer_score(library: Library) -> None:
    """The endpoint /score."""

    def score(image: Any) -> Any:
        """Bits per dimension of an image under every model: a list of objects, the surest model first.

        `percent_costlier`: how many per cent of the model's test images cost more bits; null where none were tested.
        """
        return [
            {
                "model": one.meta.name,
                "bits_per_dim": None if one.bits is None else round(one.bits, 5),
                "percent_costlier": None if one.costlier is None else round(one.costlier, 2),
                "test_bits_per_dim": one.meta.bits_per_dim,
                "protocol": one.meta.protocol,
            }
            for one in scores(library, arguments.open_upload("image", image))
        ]

    def check(image: Any) -> None:
        arguments.open_upload("image", image)

    with gr.Column(visible=False):
        inputs = [gr.File(label="Image, of any size and format")]
        outputs = [gr.JSON(label="Scores")]
    endpoint(score, check, inputs, outputs)
