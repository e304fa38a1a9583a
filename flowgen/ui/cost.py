"""The line that says what a run will take: at once where that has been measured, else once its turn has come."""

import html

import gradio as gr

from flowgen.ui import view
from flowgen.ui.pace import PRESETS, Paces, expected

__all__ = ["TAKE_SIZES", "cost_line", "forecast", "price"]

# Asks for the measurement, which waits in the queue as all work does, only where it is missing.
ASK = """watch("value", () => /data-unmeasured/.test(props.value) && trigger("measure"));"""

# Sizes may arrive after a measurement, and by then the visitor may have set others: theirs stand.
TAKE_SIZES = """(cost, preset, num, steps) => {
    const plan = /data-preset="(.+?)" data-num="(.+?)" data-steps="(.+?)"/.exec(cost);
    return plan && plan[1] === preset ? [Number(plan[2]), Number(plan[3])] : [num, steps];
}"""


def cost_line() -> gr.HTML:
    """The component, whose event `measure` says that it was given a line without figures."""
    return gr.HTML(view.note(""), elem_id="inpaint-cost", js_on_load=ASK, apply_default_css=False)


def forecast(paces: Paces, name: str, method: str, preset: str) -> str:
    """What a preset comes to, in words, and in attributes from which the sliders take it.

    Args:
        paces: what has been measured.
        name: of the model.
        method: a name in METHODS that fits it.
        preset: a name in PRESETS.
    """
    wanted, pace = PRESETS[preset], paces.known(name, method)
    if pace is None:
        return _unmeasured(
            name,
            method,
            f"{preset} aims to answer within {wanted.seconds:.0f} s. How many variants and steps that allows is "
            "measured when the queue comes to it.",
        )
    num, steps = pace.plan(wanted)
    fits = pace.seconds(num, steps) <= wanted.seconds
    promise = f"{preset} answers within {wanted.seconds:.0f} s" if fits else "This method is slow, even in a few steps"
    text = f"{promise}: {expected(pace, num, steps)}."
    return f'<div data-preset="{preset}" data-num="{num}" data-steps="{steps}">{view.note(text)}</div>'


def price(paces: Paces, name: str, method: str, num: int, steps: int) -> str:
    """How long so many variants and steps will take."""
    pace = paces.known(name, method)
    if pace is None:
        return _unmeasured(name, method, "How long that takes on this machine is measured when the queue comes to it.")
    return view.note(f"{expected(pace, num, steps)}.")


def _unmeasured(name: str, method: str, text: str) -> str:
    """Another line for every model and method, since a line that stays the same asks for nothing."""
    return f'<div data-unmeasured="{html.escape(name)} {method}">{view.note(text)}</div>'
