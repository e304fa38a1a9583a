"""The tab that draws new images, and the endpoint /sample."""

import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import gradio as gr
import torch
from torch import Tensor

from flowgen import inference
from flowgen.interruption import Check, Interrupted, watched
from flowgen.library import Library
from flowgen.ui import arguments, controls, files, view
from flowgen.ui.events import endpoint, on_page
from flowgen.ui.kept import Asked, keep, keep_result
from flowgen.ui.limits import LIMITS
from flowgen.ui.links import copy_link
from flowgen.ui.refusals import BadArgument
from flowgen.ui.stops import Stops

__all__ = ["build"]

ANY_CLASS = "any"
SECONDS_BETWEEN_VIEWS = 0.3


def build(library: Library) -> None:
    """Lay out the tab and offer its endpoint."""
    controls.lead(
        "Every image starts as plain noise, one number a pixel. A flow bends all of it into an image at once, an "
        "autoregressive model draws pixel after pixel. <b>Temperature</b> tames the noise: below 1, images grow "
        "cleaner and more alike."
    )
    stops = Stops()
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=280, elem_classes="fg-panel"):
            model = controls.model_menu(library, "generate-model")
            about = controls.model_note(library, model.value, "generate-about")
            classes = class_names(library, model.value) if model.value else []
            label = gr.Dropdown(
                [ANY_CLASS, *classes], value=ANY_CLASS, label="Class", visible=bool(classes), elem_id="generate-class"
            )
            num = gr.Slider(1, LIMITS.images, 24, step=1, label="Number of images", elem_id="generate-num")
            temperature = gr.Slider(
                0, 1.5, controls.usual_temperature(library, model.value), step=0.05, label="Temperature",
                elem_id="generate-temperature",
            )  # fmt: skip
            seed = controls.seed_box("generate-seed")
            with gr.Row():
                run = gr.Button("Generate", variant="primary", elem_id="generate-run", elem_classes="fg-run")
                stop = gr.Button("Stop", variant="stop", elem_id="generate-stop", elem_classes="fg-run")
        with gr.Column(scale=8, min_width=320):
            shown = gr.HTML(view.blank("Press Generate."), elem_id="generate-result", apply_default_css=False)

    def generate(request: gr.Request, name: str, label: str, num: Any, temperature: Any, seed: Any) -> Iterator[str]:
        yield from show(library, name, label, num, temperature, seed, check=partial(stops.check, request))

    def begin(request: gr.Request) -> None:
        stops.begin(request)

    def end(request: gr.Request) -> None:
        stops.ask(request)

    def chosen(name: str, label: Any) -> tuple[str, Any, float]:
        return *followed(name, label), controls.usual_temperature(library, name)

    def followed(name: str, label: Any) -> tuple[str, Any]:
        return controls.describe(arguments.model(library, name)), class_menu(library, name, label)

    def restore(sent: Any) -> list[Any]:
        asked = Asked(sent)
        if not asked.values:
            return [gr.skip()] * (len(kept) + 2)
        name = asked.get("model", lambda name: arguments.model(library, name).name, model.value)
        known = asked.get("class", partial(_known_class, library, name), ANY_CLASS)
        about, menu, usual = chosen(name, known)
        cool = usual if "temperature" not in asked.values else asked.of("temperature", temperature)
        others = [asked.of("num", num), cool, asked.of("seed", seed)]
        return [name, menu | {"value": known}, *others, about, controls.offered_by_link(asked, "Generate")]

    begun = on_page(run.click, begin, None, None)
    drawn = on_page(begun.then, generate, [model, label, num, temperature, seed], shown, works=True)
    on_page(stop.click, end, None, None)
    on_page(model.input, chosen, [model, label], [about, label, temperature])
    on_page(model.change, followed, [model, label], [about, label])
    kept = {"model": model, "class": label, "num": num, "temperature": temperature, "seed": seed}
    restored = keep("Generate", kept, restore, [*kept.values(), about, shown])
    keep_result("Generate", restored, [shown], [drawn.success])
    offer_sample(library)


def show(
    library: Library, name: str, label: str, num: Any, temperature: Any, seed: Any, *, check: Check
) -> Iterator[str]:
    """Samples as the page shows them, those of a model that draws row by row as they come.

    Once `check` has ended the drawing, what there is of it is the result.
    """
    started, shown_at = time.monotonic(), 0.0  # the first row is shown at once
    chosen = None if label == ANY_CLASS else label
    drawing = draw(library, name, num, temperature, seed, chosen)  # which refuses what no link can hold
    link = copy_link("Generate", model=name, **{"class": chosen}, num=num, temperature=temperature, seed=seed)
    done, levels = 0.0, torch.empty(0)
    try:
        for done, levels in watched(drawing, check):
            now = time.monotonic()
            if done < 1 and now - shown_at > SECONDS_BETWEEN_VIEWS:
                shown_at = now
                to_go = f"drawing row by row, {(now - started) / done * (1 - done):.1f} s to go"
                yield view.results(view.status(to_go, done), _tiles(library, name, levels, int(seed)))
    except Interrupted as why:
        if done == 0:
            yield view.blank(str(why))
            return
    if done == 1:
        yield _ended(library, name, levels, int(seed), link=link)
    else:
        yield _ended(library, name, levels, int(seed), f"stopped after {done:.0%} of the rows")


def _ended(library: Library, name: str, levels: Tensor, seed: int, why: str = "", *, link: str = "") -> str:
    """All that there will be, and where it ended early, why."""
    whole_sheet = view.sheet(levels, library.describe(name).levels)
    download = view.link(whole_sheet, f"{name}-seed{seed}.png", "Download the sheet")
    tiles = _tiles(library, name, levels, seed)
    return view.results(view.status(why) if why else "", tiles, f'<div class="fg-links">{download}{link}</div>')


def _tiles(library: Library, name: str, levels: Tensor, seed: int) -> str:
    num_levels = library.describe(name).levels
    images = [view.png(one, num_levels) for one in levels]
    numbers = range(len(images))
    return view.tiles(images, [f"#{i}" for i in numbers], [f"{name}-seed{seed}-{i}.png" for i in numbers])


def draw(
    library: Library, name: Any, num: Any, temperature: Any, seed: Any, label: Any = None
) -> Iterator[tuple[float, Tensor]]:
    """The share that is done, and what there is of the samples, (num, c, h, w) uint8.

    Raises:
        FlowgenError: for anything out of order.
    """
    check_sample(library, name, num, temperature, seed, label)
    number = None if label is None else _class_of(library, name, label)
    model = library.load(name).frozen()
    return inference.draw(model, int(num), temperature=float(temperature), seed=int(seed), label=number)


def check_sample(library: Library, name: Any, num: Any, temperature: Any, seed: Any, label: Any = None) -> None:
    """Refuse what cannot be sampled, before anything is computed.

    Raises:
        FlowgenError: naming the argument.
    """
    arguments.model(library, name)
    arguments.whole("num", num, 1, LIMITS.images)
    arguments.number("temperature", temperature, 0, LIMITS.temperature)
    arguments.whole("seed", seed, 0, LIMITS.seed)
    if label is not None:
        _class_of(library, name, label)


def class_menu(library: Library, name: str, chosen: Any) -> Any:
    """The classes of a model, where it has any; the one chosen stays chosen, if the model knows it."""
    names = class_names(library, name)
    menu: dict[str, Any] = gr.update(choices=[ANY_CLASS, *names], visible=bool(names))
    return menu if chosen in menu["choices"] else menu | {"value": ANY_CLASS}  # it may be another by now: that stands


def class_names(library: Library, name: str) -> list[str]:
    """The names of the classes that a model can be conditioned on, by its card alone."""
    meta = library.describe(name)
    count = meta.hyperparameters.get("num_classes") or 0
    known = meta.class_names
    return [known[i] if i < len(known) else str(i) for i in range(count)]


def _known_class(library: Library, name: str, label: Any) -> str:
    return arguments.choice("class", str(label), [ANY_CLASS, *class_names(library, name)])


def _class_of(library: Library, name: str, label: Any) -> int:
    names = class_names(library, name)
    if not names:
        raise BadArgument("label", f"The model {name} knows no classes: leave the label out.")
    return names.index(arguments.choice("label", label, names))


def offer_sample(library: Library) -> None:
    """The endpoint /sample."""

    def sample(
        model: str, num: int = 16, temperature: float | None = None, seed: int = 0, label: str | None = None
    ) -> tuple[list[str], Any]:
        """Draw new images: PNG files at the model's own size, and the settings. Image i depends on seed and i alone.

        Args:
            model: The model's name; see /models.
            num: How many images, 1 to 64.
            temperature: 0 to 2; 1 is the model itself, less is tamer; by default 0.8 for a flow, else 1.
            seed: 0 to 2147483647; the same one gives the same images.
            label: The name of a class, for models that have classes.
        """
        if temperature is None:
            temperature = controls.usual_temperature(library, model)
        *_, (_, levels) = draw(library, model, num, temperature, seed, label)
        num_levels, stem = library.describe(model).levels, f"{model}-seed{int(seed)}"
        paths = [files.save(view.png(one, num_levels), f"{stem}-{i}.png") for i, one in enumerate(levels)]
        return paths, {"model": model, "num": int(num), "temperature": temperature, "seed": int(seed), "label": label}

    def check(model: str, num: int, temperature: float | None, seed: int, label: str | None = None) -> None:
        check_sample(library, model, num, 1.0 if temperature is None else temperature, seed, label)

    with gr.Column(visible=False):
        inputs = [
            controls.model_argument(library),
            controls.whole_argument("How many images", 16, 1, LIMITS.images),
            gr.Number(
                None,
                label=f"Temperature, 0 to {LIMITS.temperature:g}; 1 is the model itself; null is the model's usual one",
            ),
            controls.whole_argument("Seed", 0, 0, LIMITS.seed),
            gr.Textbox(None, label="Class name, for models that have classes; otherwise null"),
        ]
        outputs = [gr.File(file_count="multiple", label="Images"), gr.JSON(label="Settings")]
    endpoint(sample, check, inputs, outputs)
