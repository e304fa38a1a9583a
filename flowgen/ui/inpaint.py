"""The tab that fills in what was painted over."""

import inspect
import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import gradio as gr

from flowgen.inference import KERNELS, METHODS
from flowgen.library import Library
from flowgen.ui import arguments, controls, view
from flowgen.ui.boxes import kept_box
from flowgen.ui.cost import TAKE_SIZES, cost_line, forecast, price
from flowgen.ui.events import on_page
from flowgen.ui.examples import FILL, boxes_of, example_row
from flowgen.ui.filling import Shown, show
from flowgen.ui.gallery import connect_gallery, gallery_box
from flowgen.ui.inpaint_endpoint import offer_inpaint
from flowgen.ui.kept import Asked, keep, keep_result
from flowgen.ui.limits import LIMITS
from flowgen.ui.look import connect
from flowgen.ui.pace import PRESETS, Pace, Paces
from flowgen.ui.picture import picture_box
from flowgen.ui.recipe import read_recipe
from flowgen.ui.stops import Stops

__all__ = ["build"]

FIRST_PRESET = "Fast"


def build(library: Library) -> None:
    """Lay out the tab and offer its endpoint."""
    controls.lead(
        "Paint over a part of an image, and the model fills it in: by <b>ascent</b> to the most probable completions, "
        "or by <b>sampling</b> to many plausible ones, with the evidence whether to believe them. What you did not "
        "paint over comes back byte for byte."
    )
    paces, stops = Paces(library), Stops()
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=300, elem_classes="fg-panel"):
            model = controls.model_menu(library, "inpaint-model")
            box = picture_box("Picture to fill in", "inpaint-picture", paint=True)
            examples = example_row(FILL, "inpaint-examples")
        with gr.Column(scale=7, min_width=320):
            with gr.Column(elem_classes="fg-panel"):
                with gr.Row():
                    method = _method_menu(library, model.value)
                    preset = gr.Radio(list(PRESETS), value=FIRST_PRESET, label="Effort", elem_id="inpaint-preset")
                about = gr.HTML(_about(method.value), elem_id="inpaint-about", apply_default_css=False)
                with gr.Row():
                    num = gr.Slider(1, LIMITS.variants, 4, step=1, label="Variants", elem_id="inpaint-num")
                    steps = gr.Slider(
                        1, LIMITS.steps, 100, step=1, label="Steps", elem_id="inpaint-steps",
                        visible=_takes_steps(method.value),
                    )  # fmt: skip
                with gr.Accordion("Advanced", open=False, elem_id="inpaint-advanced"):
                    seed = controls.seed_box("inpaint-seed")
                    groups, knobs = _knobs(method.value)
                cost = cost_line()
                with gr.Row():
                    run = gr.Button("Fill in", variant="primary", elem_id="inpaint-run", elem_classes="fg-run")
                    stop = gr.Button("Stop", variant="stop", elem_id="inpaint-stop", elem_classes="fg-run")
            with gr.Column(elem_id="inpaint-result"):
                gallery = gallery_box("inpaint-gallery")
                shown = gr.HTML(
                    view.blank("Upload a picture or draw a sample, paint over a part of it, and press Fill in."),
                    apply_default_css=False,
                )

    def inpaint(
        request: gr.Request,
        name: str,
        value: Any,
        method: str,
        preset: str | None,
        num: Any,
        steps: Any,
        seed: Any,
        *values: Any,
    ) -> Iterator[Shown]:
        own = dict(zip(knobs, values, strict=True))
        chosen = {field: value for (kernel, field), value in own.items() if kernel == method}
        if preset is not None:  # the sliders may not have heard yet what it comes to for this model and method
            num, steps = plan(name, method, preset)
        asked = {"num": num, "steps": steps, "seed": seed}
        yield from show(library, name, value, method, asked, chosen, check=partial(stops.check, request))

    def plan(name: str, method: str, preset: str) -> tuple[int, int]:
        method = arguments.choice("method", method, arguments.methods(arguments.model(library, name)))
        return paces.of(name, method).plan(PRESETS[arguments.choice("preset", preset, PRESETS)])

    def measure(name: str, method: str) -> tuple[str, str, Pace] | None:
        fits = method in arguments.methods(arguments.model(library, name))
        return (name, method, paces.of(name, method)) if fits else None  # else the model's own are on their way

    def learn(measured: tuple[str, str, Pace] | None) -> None:
        if measured is not None:
            paces.learn(*measured)

    def begin(request: gr.Request) -> None:
        stops.begin(request)

    def end(request: gr.Request) -> None:
        stops.ask(request)

    def take(chosen: Any, name: str) -> Any:
        return boxes_of(FILL, chosen, arguments.model(library, name))[0]

    def offer(name: str, method: str, preset: str | None, num: Any, steps: Any) -> list[Any]:
        fitting = arguments.methods(arguments.model(library, name))
        menu: dict[str, Any] = gr.update(choices=_titled(fitting))  # the visitor may have chosen another meanwhile
        if method not in fitting:
            method, menu = fitting[0], menu | {"value": fitting[0]}
        return [menu, *choose(name, method, preset, num, steps)]

    def restore(sent: Any) -> list[Any]:
        asked = Asked(sent)
        if not asked.values:
            return [gr.skip()] * (len(kept) + 2 + len(groups))
        meta = asked.get("model", lambda name: arguments.model(library, name), library.describe(model.value))
        fitting = arguments.methods(meta)
        one = asked.get("method", lambda value: arguments.choice("method", value, fitting), fitting[0])
        own = None if asked.values.get("preset") is None else asked.of("preset", preset)
        each = [asked.of(name, control) for name, control in kept.items() if name not in chosen_apart]
        count, length, *others = each
        visible = [gr.update(visible=name == one) for name in METHODS]
        return [
            meta.name, kept_box(asked, "picture", meta), gr.update(choices=_titled(fitting), value=one), own,
            count, gr.update(value=length, visible=_takes_steps(one)), *others, _about(one), *visible,
            controls.offered_by_link(asked, "Fill in"),
        ]  # fmt: skip

    def choose(name: str, method: str, preset: str | None, num: Any, steps: Any) -> list[Any]:
        fitting = arguments.methods(arguments.model(library, name))
        if arguments.choice("method", method, METHODS) not in fitting:
            return [gr.skip()] * (3 + len(groups))  # the model's own are on their way, with all that belongs to them
        reckoned = reckon(name, method, preset, num, steps)
        visible = (gr.update(visible=each == method) for each in METHODS)
        return [_about(method), gr.update(visible=_takes_steps(method)), *visible, reckoned]

    def reckon(name: str, method: str, preset: str | None, num: Any, steps: Any) -> Any:
        meta, method = arguments.model(library, name), arguments.choice("method", method, METHODS)
        if method not in arguments.methods(meta):
            return gr.skip()  # as above
        if preset is not None:
            return forecast(paces, meta.name, method, arguments.choice("preset", preset, PRESETS))
        num, steps = arguments.whole("num", num, 1, LIMITS.variants), arguments.whole("steps", steps, 1, LIMITS.steps)
        return price(paces, meta.name, method, num, steps)

    def recall(value: Any) -> list[Any]:
        return restore({"values": asked_of(library, value)})

    looked = connect(box, library, model, paint=True)
    size = [preset, num, steps]
    asked = [model, method, *size]
    chosen_apart = {"model": model, "picture": box, "method": method, "preset": preset}
    settings = {f"{kernel}.{field}": knob for (kernel, field), knob in knobs.items()}
    kept = chosen_apart | {"num": num, "steps": steps, "seed": seed} | settings
    restorable = [*kept.values(), about, *groups, shown]
    restored = keep("Inpaint", kept, restore, restorable)
    recalled = on_page(looked.then, recall, box, restorable)
    measured = on_page(cost.measure, measure, [model, method], None, works=True, unasked=True, done=learn, latest=True)
    reckonings = [
        on_page(model.input, offer, asked, [method, about, steps, *groups, cost], latest=True),
        on_page(method.input, choose, asked, [about, steps, *groups, cost], latest=True),
        *(on_page(after, reckon, asked, cost, latest=True) for after in (preset.input, recalled.then, measured.then)),
    ]
    if model.value and restored is not None:
        reckonings.append(on_page(restored.then, reckon, asked, cost))
    held = f"'{method.elem_id}'"
    model.input(
        None,
        model,
        None,
        js=f"(name) => flowgen.hold({held}, name, {json.dumps(model.value)})",
        api_visibility="private",
    )
    reckonings[0].then(None, js=f"() => flowgen.release({held})", api_visibility="private")
    for reckoned in reckonings:
        reckoned.then(None, [cost, *size], [num, steps], js=TAKE_SIZES, api_visibility="private")
    for slider in (num, steps):
        own = slider.input(None, None, preset, js="() => null", api_visibility="private")
        on_page(own.then, reckon, asked, cost, latest=True)
    begun = on_page(run.click, begin, None, None)
    inputs = [model, box, method, *size, seed, *knobs.values()]
    on_page(begun.then, inpaint, inputs, [shown, gallery], works=True)
    taken = on_page(examples.click, take, [examples, model], box)
    on_page(on_page(taken.success, begin, None, None).then, inpaint, inputs, [shown, gallery], works=True)
    connect_gallery(gallery, box, library, model)
    keep_result("Inpaint", restored, [shown, gallery], [gallery.change])  # it is there once a run has ended
    on_page(stop.click, end, None, None)
    offer_inpaint(library)


def asked_of(library: Library, value: Any) -> dict[str, Any]:
    """What was asked for when a completion was made that a picture box was given, by the names that links use."""
    if not (isinstance(value, dict) and value.get("recipe")):
        return {}
    recipe = read_recipe(library, value["recipe"])
    own = {f"{recipe.method}.{field}": option for field, option in recipe.options.items()}
    asked = {name: getattr(recipe, name) for name in ("model", "method", "num", "steps", "seed")}
    return asked | own


def _method_menu(library: Library, name: str | None) -> gr.Dropdown:
    fitting = arguments.methods(library.describe(name)) if name else list(METHODS)
    return gr.Dropdown(_titled(fitting), value=fitting[0], label="Method", elem_id="inpaint-method")


def _titled(methods: list[str]) -> list[tuple[str, str]]:
    return [(controls.title(name), name) for name in methods]


def _about(method: str) -> str:
    """What a method is, by the first line of its own documentation."""
    return view.note((inspect.getdoc(METHODS[method]) or "").split("\n")[0])


def _takes_steps(method: str) -> bool:
    """Whether their number is the visitor's to choose; what draws row by row takes one a row."""
    return method in KERNELS


def _knobs(shown: str | None) -> tuple[list[gr.Group], dict[tuple[str, str], Any]]:
    """The settings of every method, those of one at a time to be seen."""
    groups: list[gr.Group] = []
    knobs: dict[tuple[str, str], Any] = {}
    for name, kernel in METHODS.items():
        with gr.Group(visible=name == shown) as group:
            for field, control in controls.hyperparameters(kernel, f"inpaint-{name}").items():
                knobs[name, field] = control
        groups.append(group)
    return groups, knobs
