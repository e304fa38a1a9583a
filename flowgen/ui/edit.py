"""The tab that gives an image more or less of an attribute, and the endpoint /edit."""

from typing import Any

import gradio as gr
import torch
from torch import Tensor

from flowgen.checkpoint import Meta
from flowgen.data import to_bytes
from flowgen.data.pictures import to_levels
from flowgen.inference.attributes import edit as move
from flowgen.library import Library
from flowgen.ui import arguments, controls, files, view
from flowgen.ui.boxes import kept_box, sample_seed
from flowgen.ui.events import endpoint, on_page
from flowgen.ui.kept import Asked, keep, keep_result
from flowgen.ui.links import NO_LINK, copy_link
from flowgen.ui.look import connect
from flowgen.ui.picture import picture_box, read_box
from flowgen.ui.refusals import BadArgument

__all__ = ["build"]

MOST = 6  # attributes that a model is offered with; more would not be looked at
FAR = 2.0  # the largest amount, where 1 is what having the attribute adds
STRIP = torch.linspace(-FAR, FAR, 5)


def build(library: Library) -> None:
    """Lay out the tab and offer its endpoint."""
    controls.lead(
        "A model that never saw a label still knows what a smile is: in its noise, smiling faces lie to one side of "
        "the others. <b>Move an image to that side</b>, and turn its noise back into an image."
    )
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=280, elem_classes="fg-panel"):
            model = controls.model_menu(library, "edit-model", fits=_knows_attributes)
            box = picture_box("Picture", "edit-picture")
            first = library.describe(model.value) if model.value else None
            sliders = [
                gr.Slider(-FAR, FAR, 0, step=0.1, elem_id=f"edit-amount-{i}", **about)
                for i, about in enumerate(_labels(first))
            ]
            with gr.Row():
                run = gr.Button("Edit", variant="primary", elem_id="edit-run", elem_classes="fg-run")
                back = gr.Button("Back to zero", elem_id="edit-back", elem_classes="fg-run")
        with gr.Column(scale=8, min_width=320):
            shown = gr.HTML(
                view.blank(
                    "Give it a picture, or draw a sample, and move a slider."
                    if first
                    else "There is no model with attributes yet: `flowgen attributes` teaches one."
                ),
                elem_id="edit-result",
                apply_default_css=False,
            )

    def edit(name: str, value: Any, *amounts: Any) -> str:
        return show(library, name, value, amounts)

    def edit_if_any(name: str, value: Any, *amounts: Any) -> Any:
        given = isinstance(value, dict) and value.get("picture")
        return show(library, name, value, amounts) if given else gr.skip()

    def relabel(name: str) -> list[Any]:
        return [gr.update(**about) for about in _labels(arguments.model(library, name))]

    def reset() -> list[float]:
        return [0.0] * MOST

    def restore(sent: Any) -> list[Any]:
        asked = Asked(sent)
        if not asked.values or not model.value:
            return [gr.skip()] * (len(kept) + 1)
        meta = asked.get("model", lambda name: known(library, name), library.describe(model.value))
        amounts = [
            gr.update(value=asked.of(f"amount_{i}", sliders[i]), **about) for i, about in enumerate(_labels(meta))
        ]
        return [meta.name, kept_box(asked, "picture", meta), *amounts, controls.offered_by_link(asked, "Edit")]

    connect(box, library, model)
    on_page(model.change, relabel, model, sliders)
    inputs = [model, box, *sliders]
    edits = [on_page(run.click, edit, inputs, shown, works=True)]
    edits += [on_page(slider.release, edit_if_any, inputs, shown, works=True, latest=True) for slider in sliders]
    at_rest = on_page(back.click, reset, None, sliders)
    edits.append(on_page(at_rest.then, edit_if_any, inputs, shown, works=True))
    kept = {"model": model, "picture": box} | {f"amount_{i}": slider for i, slider in enumerate(sliders)}
    restored = keep("Edit", kept, restore, [*kept.values(), shown])
    keep_result("Edit", restored, [shown], [one.success for one in edits])
    offer_edit(library)


def known(library: Library, name: Any) -> Meta:
    """A model that knows attributes.

    Raises:
        BadArgument: if there is none of this name.
    """
    meta = library.describe(arguments.choice("model", name, controls.fitting(library, _knows_attributes)))
    return meta


def show(library: Library, name: str, value: Any, amounts: Any) -> str:
    """An image before and after, and what each attribute by itself would make of it."""
    meta = known(library, name)
    asked = dict(zip(meta.attributes[:MOST], amounts, strict=False))
    chosen = torch.tensor([arguments.number(one, amount, -FAR, FAR) for one, amount in asked.items()])
    levels = read_box(value, meta.event_shape, meta.levels).levels
    directions = library.directions(name)[:MOST]
    alone = [chosen.repeat(len(STRIP), 1).index_copy(1, torch.tensor([j]), STRIP[:, None]) for j in range(len(chosen))]
    every = torch.cat([chosen[None], *alone]) @ directions
    after, *strips = to_bytes(move(library.load(name), levels, every), meta.levels).split(
        [1, *[len(STRIP)] * len(alone)]
    )
    pair = view.pair(view.png(levels, meta.levels), view.png(after[0], meta.levels), "after", f"{name}-edited.png")
    rows = [_row(_title(one), strip, meta.levels) for one, strip in zip(asked, strips, strict=True)]
    return view.results(pair, *rows, f'<div class="fg-links">{_link(value, name, asked)}</div>')


def _link(value: Any, name: str, asked: dict[str, Any]) -> str:
    seed = sample_seed(value, name)
    if seed is None:
        return NO_LINK
    amounts = {f"amount_{i}": amount for i, amount in enumerate(asked.values()) if amount}
    return copy_link("Edit", model=name, picture=seed, **amounts)


def _row(title: str, strip: Tensor, num_levels: int) -> str:
    images = [
        view.picture(view.png(one, num_levels), f"{title} {amount:g}")
        for one, amount in zip(strip, STRIP.tolist(), strict=True)
    ]
    return f'<h3 class="fg-heading">{title}</h3><div class="fg-strip">{"".join(images)}</div>'


def _knows_attributes(meta: Meta) -> bool:
    return bool(meta.attributes)


def _title(attribute: str) -> str:
    """An attribute's name as people read it; of letters and blanks alone, whatever a checkpoint says."""
    return "".join(c if c.isalnum() else " " for c in attribute).capitalize()


def _labels(meta: Meta | None) -> list[dict[str, Any]]:
    """What each slider is called, and whether it is to be seen."""
    titles = [_title(one) for one in meta.attributes[:MOST]] if meta else []
    return [
        {"label": titles[i] if i < len(titles) else f"Attribute {i + 1}", "visible": i < len(titles)}
        for i in range(MOST)
    ]


def offer_edit(library: Library) -> None:
    """The endpoint /edit."""

    def edit(model: str, image: Any, amounts: Any) -> tuple[str, Any]:
        """Give an image more or less of a model's attributes: a PNG file at the model's own size, and the settings.

        Args:
            model: The model's name; /models says which attributes it has.
            image: The image, of any size and format.
            amounts: Attributes and amounts from -2 to 2, as {"Smiling": 1.5}; 1 is what having it adds.
        """
        meta, levels, chosen = check(model, image, amounts)
        shift = torch.tensor([chosen.get(one, 0.0) for one in meta.attributes]) @ library.directions(model)
        (after,) = to_bytes(move(library.load(model), levels, shift[None]), meta.levels)
        return files.save(view.png(after, meta.levels), f"{model}-edited.png"), {"model": model, "amounts": chosen}

    def check(model: str, image: Any, amounts: Any) -> tuple[Meta, Tensor, dict[str, float]]:
        meta = known(library, model)
        if not isinstance(amounts, dict):
            raise BadArgument("amounts", 'amounts must be an object such as {"Smiling": 1.5}.')
        chosen = {
            arguments.choice("amounts", one, meta.attributes): arguments.number("amounts", amount, -FAR, FAR)
            for one, amount in amounts.items()
        }
        levels = to_levels(arguments.open_upload("image", image), meta.event_shape, levels=meta.levels)
        return meta, levels, chosen

    with gr.Column(visible=False):
        inputs = [
            controls.model_argument(library, _knows_attributes),
            gr.File(label="Image, of any size and format"),
            controls.object_argument(
                "Attributes and amounts from -2 to 2, a JSON object",
                "attributes and how much of each, from -2 to 2",
                {},
            ),
        ]
        outputs = [gr.File(label="Image"), gr.JSON(label="Settings")]
    endpoint(edit, check, inputs, outputs)
