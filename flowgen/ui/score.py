"""The tab that says how well each model predicts an image, and where in it the bits go."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import gradio as gr

from flowgen.evaluation import Attribution
from flowgen.interruption import Check, Interrupted, watched
from flowgen.library import Library
from flowgen.models import FLOWS
from flowgen.ui import arguments, controls, view
from flowgen.ui.boxes import kept_box
from flowgen.ui.events import on_page
from flowgen.ui.kept import Asked, keep, keep_result
from flowgen.ui.look import connect
from flowgen.ui.picture import filled, picture_box, read_source
from flowgen.ui.score_endpoint import offer_score
from flowgen.ui.score_view import show
from flowgen.ui.scoring import LANDMARKS, landmark, landmarks, map_of, scores
from flowgen.ui.stops import Stops

__all__ = ["build"]

SECONDS_BETWEEN_VIEWS = 0.4
CAPTIONS = {"blank": "nothing at all", "a draw": "drawn from {model}", "noise": "uniform noise"}


def build(library: Library) -> None:
    """Lay out the tab and offer its endpoints."""
    controls.lead(
        "How many bits does a model need for each number of your image? The better it predicts, the fewer. Compare "
        "with test images that it never saw: <b>fewest is not most typical</b>. An empty picture costs less than any "
        "digit."
    )
    stops = Stops()
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=280, elem_classes="fg-panel"):
            model = controls.model_menu(
                library,
                "score-model",
                label="Sample from",
                info="Shows an upload as this model sees it, too; every model scores",
            )
            box = picture_box("Picture to score", "score-picture")
            with gr.Row(elem_classes="fg-examples"):
                examples = {
                    kind: gr.Button(f"Try {kind}", size="sm", min_width=80, elem_id=f"score-{kind.split()[-1]}")
                    for kind in LANDMARKS
                }
            with gr.Row():
                run = gr.Button("Score", variant="primary", elem_id="score-run", elem_classes="fg-run")
                stop = gr.Button("Stop", variant="stop", elem_id="score-stop", elem_classes="fg-run")
        with gr.Column(scale=8, min_width=320):
            shown = gr.HTML(
                view.blank("Upload a picture, or draw a sample, and press Score."),
                elem_id="score-result",
                apply_default_css=False,
            )

    def score(request: gr.Request, value: Any) -> Iterator[str]:
        yield from run_of(library, value, check=partial(stops.check, request))

    def begin(request: gr.Request) -> None:
        stops.begin(request)

    def end(request: gr.Request) -> None:
        stops.ask(request)

    def restore(sent: Any) -> list[Any]:
        asked = Asked(sent)
        if not asked.values:
            return [gr.skip()] * 2
        meta = asked.get("model", lambda name: arguments.model(library, name), library.describe(model.value))
        return [meta.name, kept_box(asked, "picture", meta)]

    connect(box, library, model)
    begun = on_page(run.click, begin, None, None)
    scored = [on_page(begun.then, score, box, shown, works=True).success]
    on_page(stop.click, end, None, None)
    for kind, button in examples.items():
        begun = on_page(button.click, begin, None, None)
        put = on_page(begun.then, _filler(library, kind), model, box, works=True)
        scored.append(on_page(put.success, score, box, shown, works=True).success)
    restored = keep("Score", {"model": model, "picture": box}, restore, [model, box])
    keep_result("Score", restored, [shown], scored)
    offer_score(library)


def _filler(library: Library, kind: str) -> Callable[[str], Any]:
    """What puts a landmark into the box."""

    def fill(name: str) -> Any:
        meta = arguments.model(library, name)
        return filled(landmark(library, name, kind), meta.levels, CAPTIONS[kind].format(model=name))

    return fill


def run_of(library: Library, value: Any, *, check: Check) -> Iterator[str]:
    """The scores of what a box holds, at once with the maps that cost nothing, and then with the flows' as they come.

    Once `check` has ended it, or a run may not take longer, what there is is the result.

    Raises:
        FlowgenError: if the box is empty, or there is no model.
    """
    shown_at = 0.0
    source = read_source(value)
    yield view.results(view.status(f"asking {len(arguments.models(library))} models", 0.0))
    found, maps = scores(library, *source), dict[str, Attribution]()
    known = landmarks(library, found[0].meta.name)
    possible = [score for score in found if score.bits is not None]
    try:
        for score in sorted(possible, key=lambda each: each.meta.recipe in FLOWS):
            for current in watched(map_of(library, score), check):
                maps[score.meta.name], now = current, time.monotonic()
                if not current.exact and (now - shown_at > SECONDS_BETWEEN_VIEWS):
                    shown_at = now
                    yield show(found, maps, known, view.status(f"mapping {score.meta.name}", current.done))
    except Interrupted:
        yield show(found, maps, known, view.status("Stopped before every map was whole."))
        return
    yield show(found, maps, known)
