"""The controls that the tabs share, and those that derive from a dataclass of hyperparameters."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, get_args, get_type_hints

import gradio as gr
from gradio.context import Context

from flowgen.checkpoint import Meta
from flowgen.library import Library
from flowgen.models import FLOWS
from flowgen.ui.arguments import models
from flowgen.ui.events import on_page
from flowgen.ui.kept import Asked
from flowgen.ui.limits import LIMITS
from flowgen.ui.view import blank, note

__all__ = [
    "describe",
    "favourite",
    "hyperparameters",
    "lead",
    "model_argument",
    "model_menu",
    "model_note",
    "object_argument",
    "offered_by_link",
    "options",
    "seed_box",
    "title",
    "usual_temperature",
    "whole_argument",
]

Control = gr.Slider | gr.Number | gr.Checkbox | gr.Dropdown
Fits = Callable[[Meta], bool]
SPELT = {
    "mala": "MALA",
    "gibbs": "Gibbs",
    "hmc": "HMC",
    "pcn": "pCN",
    "pl": "PL",
    "mcmc": "MCMC",
    "smc": "SMC",
    "sgld": "SGLD",
}


def lead(text: str) -> gr.HTML:
    """What a tab is for, in a sentence or two; the text is ours and may hold <b>."""
    return gr.HTML(f'<p class="fg-lead">{text}</p>', apply_default_css=False)


def model_menu(
    library: Library, elem_id: str, *, label: str = "Model", info: str | None = None, fits: Fits = lambda meta: True
) -> gr.Dropdown:
    """Which model to ask; see `favourite`. Whoever loads the page is offered the models that there are by then.

    Args:
        fits: which of them the menu is for.
    """
    names, first = fitting(library, fits), favourite(library, fits)
    menu = gr.Dropdown(names, value=first, label=label, info=info, elem_id=elem_id, interactive=bool(names))

    def offer(chosen: str | None) -> dict[str, Any]:
        return offered(library, chosen, fits)

    if Context.root_block is not None:
        on_page(Context.root_block.load, offer, menu, menu)
    return menu


def fitting(library: Library, fits: Fits) -> list[str]:
    """The names of the models that a menu is for."""
    return [name for name in models(library) if fits(library.describe(name))]


def offered(library: Library, chosen: str | None, fits: Fits = lambda meta: True) -> dict[str, Any]:
    """A menu of the models that there are now; what was chosen stays chosen, if it is still there."""
    names = fitting(library, fits)
    menu: dict[str, Any] = gr.update(choices=names, interactive=bool(names))
    return menu if chosen in names else menu | {"value": favourite(library, fits)}


def favourite(library: Library, fits: Fits = lambda meta: True) -> str | None:
    """The model a visitor meets first: the one with the fewest bits per dimension, those without a measure last."""

    def bits(name: str) -> float:
        measured = library.describe(name).bits_per_dim
        return math.inf if measured is None else measured

    return min(fitting(library, fits), key=bits, default=None)


def model_note(library: Library, name: str | None, elem_id: str) -> gr.HTML:
    """A line about the model chosen; see `describe`."""
    text = describe(library.describe(name)) if name else note("There is no model yet: train one with `flowgen train`.")
    return gr.HTML(text, elem_id=elem_id, apply_default_css=False)


def describe(meta: Meta) -> str:
    """What a model was trained on, for how long, and how well it predicts."""
    channels, height, width = meta.event_shape
    facts = [f"{meta.dataset or 'unknown data'}, {width} x {height} {'gray' if channels == 1 else 'colour'}"]
    if meta.bits_per_dim is not None:
        facts.append(f"{meta.bits_per_dim:.2f} bits/dim on the test set")
    if meta.hours >= 0.01:
        facts.append(f"trained for {meta.hours:.1f} h" if meta.hours >= 1 else f"trained for {60 * meta.hours:.0f} min")
    return note(" · ".join(facts))


def offered_by_link(asked: Asked, button: str) -> Any:
    """What stands where results will be when a link has set the controls: what to press, and what it asked in vain."""
    if not asked.link:
        return gr.skip()
    set_up = "The link has set the rest" if asked.refusals else "A link has set everything"
    return blank(" ".join([*asked.refusals, f"{set_up}: press {button} for the same result."]))


def seed_box(elem_id: str) -> gr.Number:
    """Where the randomness starts."""
    about = "The same seed, the same result"
    return gr.Number(0, label="Seed", info=about, precision=0, minimum=0, maximum=LIMITS.seed, elem_id=elem_id)


def model_argument(library: Library, fits: Fits = lambda meta: True) -> gr.Dropdown:
    """An endpoint's argument: which model, of those that it is for."""
    return gr.Dropdown(fitting(library, fits), value=favourite(library, fits), label="The model's name; see /models")


def object_argument(label: str, about: str, default: dict[str, Any] | None) -> gr.JSON:
    """An endpoint's argument: a JSON object.

    Args:
        about: what is in it, as a tool's description has it.
    """
    argument = gr.JSON(default, label=label)
    # Of any JSON, which is what Gradio says of it, a tool's arguments would have no valid schema.
    told = {"type": "object", "description": about}
    argument.api_info = lambda: told  # type: ignore[method-assign]
    return argument


def whole_argument(label: str, default: int, low: int, high: int) -> gr.Number:
    """An endpoint's argument: a whole number in a range."""
    return gr.Number(default, precision=0, minimum=low, maximum=high, label=f"{label}, {low} to {high}")


def hyperparameters(recipe: type[Any], elem_id: str) -> dict[str, Control]:
    """A control for each field of a dataclass of hyperparameters: its help, range and default are the field's own."""
    hints = get_type_hints(recipe)
    return {
        field.name: _control(field, f"{elem_id}-{field.name}", get_args(hints[field.name]))
        for field in dataclasses.fields(recipe)
    }


def options(recipe: type[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields' values as a page sends them, with whole numbers whole again; ranges are the dataclass's to check."""
    whole = {field.name for field in dataclasses.fields(recipe) if isinstance(field.default, int)}
    return {
        name: int(value) if name in whole and isinstance(value, float) and value.is_integer() else value
        for name, value in values.items()
    }


def usual_temperature(library: Library, name: str | None) -> float:
    """What inference's `usual_temperature` says of the model, by its card alone."""
    return 0.8 if name and library.describe(name).recipe in FLOWS else 1.0


def title(name: str) -> str:
    """A registry's key as people read it: "gradient_ascent" is "Gradient ascent", and "mala" is "MALA"."""
    words = name.replace("_", " ").capitalize().split(" ")
    return " ".join(SPELT.get(word.lower(), word) for word in words)


def _control(field: dataclasses.Field[Any], elem_id: str, choices: tuple[Any, ...]) -> Control:
    about: dict[str, Any] = {"label": title(field.name), "info": field.metadata.get("help"), "elem_id": elem_id}
    default: Any = field.default
    low, high = field.metadata.get("min"), field.metadata.get("max")
    if choices:
        return gr.Dropdown(list(choices), value=default, **about)
    if isinstance(default, bool):
        return gr.Checkbox(default, **about)
    if low is None or high is None or (low > 0 and high / low > 1000):  # too wide a range for a slider to be of use
        return gr.Number(default, minimum=low, maximum=high, **about)
    step = 1 if isinstance(default, int) else (high - low) / 200
    return gr.Slider(low, high, default, step=step, **about)
