"""The tab of the models' cards, and the endpoint /models."""

import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.context import Context

from flowgen.data import to_bytes
from flowgen.errors import FlowgenError
from flowgen.library import Library
from flowgen.ui import arguments, controls, view
from flowgen.ui.events import endpoint, on_page
from flowgen.ui.model_card import TEMPERATURES, card

__all__ = ["Cards", "build"]

Value = dict[str, Any]

SAMPLES = 8
SECONDS = 8.0  # after which no further temperature is begun, so that nobody waits long for the worker

_SCRIPT = (Path(__file__).parent / "models.js").read_text(encoding="utf-8")


class Cards:
    """The cards of a library's models, whose samples are drawn when they are first asked for.

    Samples and fingerprints are kept in memory for the version of the file that they belong to.

    Args:
        library: the models.
    """

    def __init__(self, library: Library) -> None:
        self.library = library
        self._fingerprints: dict[str, tuple[tuple[int, int], str]] = {}
        self._sheets: dict[str, tuple[tuple[int, int], dict[float, bytes]]] = {}

    def value(self, shown: list[str]) -> Value:
        """What the page holds: every card, with samples on those shown."""
        each = (self._card(name, with_samples=name in shown) for name in self.library.names())
        return {
            "html": "".join(each) or view.blank("There is no model yet: train one with `flowgen train`."),
            "shown": shown,
            "asked": None,
        }

    def draw(self, name: str) -> Iterator[None]:
        """Draw the samples of a model that are not there yet, a temperature at a time, as long as the time allows.

        Raises:
            FlowgenError: if the model cannot be loaded, or a sample is not finite.
        """
        version, started = self.library.version(name), time.monotonic()
        if self._sheets.get(name, (None,))[0] != version:
            self._sheets[name] = version, {}
        sheets, model = self._sheets[name][1], self.library.load(name).frozen()
        for temperature in TEMPERATURES:
            if temperature not in sheets and time.monotonic() - started < SECONDS:
                x = model.sample(SAMPLES, temperature=temperature, seed=0)
                if not bool(x.isfinite().all()):
                    raise FlowgenError(f"The samples of {name} at temperature {temperature:g} are not finite.")
                sheets[temperature] = view.sheet(to_bytes(x, model.levels).cpu(), model.levels, columns=SAMPLES)
                yield

    def _card(self, name: str, *, with_samples: bool) -> str:
        try:
            version = self.library.version(name)
            if self._fingerprints.get(name, (None,))[0] != version:
                self._fingerprints[name] = version, self.library.fingerprint(name)
        except FlowgenError:
            return ""  # it was there when the names were read, and is gone
        drawn_of, sheets = self._sheets.get(name, (None, {}))
        shown = sheets if with_samples and drawn_of == version else {}
        return card(self.library, name, self._fingerprints[name][1], shown)


def build(library: Library) -> None:
    """Lay out the tab and offer its endpoint."""
    controls.lead(
        "The models, and what is known of them. <b>Bits per dimension</b> say how well a model predicts images that it "
        "never saw: the fewer, the better, where data and protocol are the same. Samples are drawn at "
        "several <b>temperatures</b>, T: below 1, they are cleaner and more alike."
    )
    cards = Cards(library)
    shown = gr.HTML(
        value=cards.value([]),
        label="Models",
        elem_id="models-cards",
        html_template='<div class="fg-cards" data-part="cards"></div>',
        js_on_load=_SCRIPT,
        apply_default_css=False,
    )

    def list_cards() -> Value:
        return cards.value([])

    def draw_samples(value: Any) -> Iterator[Value]:
        name, already = _asked(library, value)
        for _ in cards.draw(name):
            yield cards.value([*already, name])
        yield cards.value([*already, name])

    def use(value: Any) -> tuple[Any, str]:
        return gr.update(selected="Generate"), _asked(library, value)[0]

    on_page(shown.sample, draw_samples, shown, shown, works=True)
    page = Context.root_block
    if page is not None:
        on_page(page.load, list_cards, None, shown)
        by_id = {block.elem_id: block for block in page.blocks.values() if getattr(block, "elem_id", None)}
        if {"tabs", "generate-model"} <= by_id.keys():
            on_page(shown.choose, use, shown, [by_id["tabs"], by_id["generate-model"]])
    _offer_models(library)


def _asked(library: Library, value: Any) -> tuple[str, list[str]]:
    """The model whose button was pressed, and those whose samples are shown already.

    Raises:
        FlowgenError: if there is no such model.
    """
    asked = value if isinstance(value, dict) else {}
    shown, known = asked.get("shown"), arguments.models(library)
    already = [name for name in known if name in shown] if isinstance(shown, list) else []
    return arguments.choice("model", asked.get("asked"), known), already


def _offer_models(library: Library) -> None:
    """What can be asked, and what is known of it."""

    def models() -> Any:
        """The models here: for each its name, data set, shape (channels, height, width), levels and bits/dim."""
        return [_public(dataclasses.asdict(library.describe(name))) for name in arguments.models(library)]

    with gr.Column(visible=False):
        outputs = [gr.JSON(label="Models")]
    endpoint(models, None, [], outputs, works=False)


def _public(meta: dict[str, Any]) -> dict[str, Any]:
    hidden = ("settings", "quantiles", "format")  # how it was trained in detail, and what /score works with
    return {"name": meta.pop("name"), **{key: value for key, value in meta.items() if key not in hidden}}
