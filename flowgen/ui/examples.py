"""Examples that run on a click: test digits, and a hole in them."""

import html
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import torch

from flowgen.checkpoint import Meta
from flowgen.data.pictures import open_picture, to_levels
from flowgen.ui import arguments
from flowgen.ui.picture import filled
from flowgen.ui.view import data_url

__all__ = ["FILL", "WALK", "Example", "boxes_of", "example_row"]

FOLDER = Path(__file__).parent / "examples"
CLICK = """element.addEventListener("click", (event) => {
    const name = event.target.closest("[data-example]")?.dataset.example;
    if (!name) return;
    props.value = { chosen: name };
    trigger("click");
});"""


@dataclass(frozen=True)
class Example:
    """Pictures to begin with.

    Args:
        pictures: names of files in examples/, one a box.
        hole: top, bottom, left and right of what is hidden, as shares of the picture; nothing, if empty.
    """

    pictures: tuple[str, ...]
    hole: tuple[float, ...] = ()


FILL = {
    "An 8 without its lower half": Example(("eight",), (0.5, 1, 0, 1)),
    "A 3 with a hole in the middle": Example(("three",), (0.25, 0.75, 0.25, 0.75)),
    "The right of a 2": Example(("two",), (0, 1, 0.5, 1)),
}
WALK = {"From a 3 to an 8": Example(("three", "eight")), "From a 7 to a 2": Example(("seven", "two"))}


def example_row(examples: Mapping[str, Example], elem_id: str) -> gr.HTML:
    """The examples as buttons with pictures on them; a click leaves the chosen one's name in its value."""
    buttons = "".join(
        f'<button type="button" class="fg-example" data-example="{html.escape(name, quote=True)}">'
        f"{''.join(map(_thumbnail, example.pictures))}<span>{html.escape(name)}</span></button>"
        for name, example in examples.items()
    )
    return gr.HTML(
        {"chosen": ""},
        html_template=f'<div class="fg-examples"><p class="fg-note">Or try one of these:</p>{buttons}</div>',
        js_on_load=CLICK,
        elem_id=elem_id,
        apply_default_css=False,
    )


def _thumbnail(picture: str) -> str:
    content = (FOLDER / f"{picture}.png").read_bytes()
    return f'<img src="{data_url(content)}" alt="">'  # the caption beside it says what it is


def boxes_of(examples: Mapping[str, Example], chosen: Any, meta: Meta) -> list[dict[str, Any]]:
    """The values of the picture boxes that an example fills.

    Raises:
        BadArgument: if there is no such example.
    """
    name = chosen.get("chosen") if isinstance(chosen, dict) else None
    example = examples[arguments.choice("example", name, examples)]
    mask = _mask(example.hole, *meta.event_shape[-2:])
    pictures = [open_picture(FOLDER / f"{picture}.png") for picture in example.pictures]
    levels = [to_levels(picture, meta.event_shape, levels=meta.levels, invert=False) for picture in pictures]
    return [filled(one, meta.levels, name or "") | {"mask": mask} for one in levels]


def _mask(hole: tuple[float, ...], height: int, width: int) -> str:
    if not hole:
        return ""
    top, bottom, left, right = hole
    hidden = torch.zeros(height, width, dtype=torch.int)
    hidden[round(top * height) : round(bottom * height), round(left * width) : round(right * width)] = 1
    return "".join(map(str, hidden.flatten().tolist()))
