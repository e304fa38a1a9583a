"""The tab that fills in what was painted over, and the endpoint /inpaint."""

import time
from collections.abc import Iterator
from typing import Any

import gradio as gr
from torch import Tensor

from flowgen.data.pictures import mask_to_known, to_levels
from flowgen.errors import FlowgenError
from flowgen.hyperparameters import configure
from flowgen.inference import METHODS, Frame, complete, methods_of
from flowgen.library import Library
from flowgen.ui import arguments, controls, files, view
from flowgen.ui.events import endpoint, on_page
from flowgen.ui.limits import LIMITS
from flowgen.ui.picture import connect, picture_box, read_box
from flowgen.ui.refusals import BadArgument

__all__ = ["build"]

SECONDS_BETWEEN_FRAMES = 0.2
TOO_LONG = f"This took longer than {LIMITS.seconds:.0f} s and was ended; ask for fewer steps or variants."


def build(library: Library) -> None:
    """Lay out the tab and offer its endpoint."""
    controls.lead(
        "Paint over a part of an image, and the model fills it in. <b>Gradient ascent</b> climbs to the most probable "
        "completion; <b>Langevin</b> wanders among the plausible ones, with noise that makes each about as "
        "likely as the model says. A model that draws row by row completes <b>in order</b> what comes after all that "
        "is known, such as a lower half. What you did not paint over comes back byte for byte."
    )
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=300, elem_classes="fg-panel"):
            model = controls.model_menu(library, "inpaint-model", any_hole=True)
            box = picture_box("Picture to fill in", "inpaint-picture", paint=True)
        with gr.Column(scale=7, min_width=320):
            with gr.Column(elem_classes="fg-panel"):
                with gr.Row():
                    method = _method_menu(library, model.value)
                    steps = gr.Slider(10, LIMITS.steps, 200, step=10, label="Steps", elem_id="inpaint-steps")
                with gr.Row():
                    num = gr.Slider(1, LIMITS.variants, 4, step=1, label="Variants", elem_id="inpaint-num")
                    seed = controls.seed_box("inpaint-seed")
                with gr.Accordion("The method's own settings", open=False):
                    groups, knobs = _knobs(method.value)
                with gr.Row():
                    run = gr.Button("Fill in", variant="primary", elem_id="inpaint-run", elem_classes="fg-run")
                    stop = gr.Button("Stop", variant="stop", elem_id="inpaint-stop", elem_classes="fg-run")
            shown = gr.HTML(
                view.blank("Upload a picture or draw a sample, paint over a part of it, and press Fill in."),
                elem_id="inpaint-result",
                apply_default_css=False,
            )

    def inpaint(name: str, value: Any, method: str, num: Any, steps: Any, seed: Any, *values: Any) -> Iterator[str]:
        own = dict(zip(knobs, values, strict=True))
        chosen = {field: value for (kernel, field), value in own.items() if kernel == method}
        yield from show(library, name, value, method, num, steps, seed, chosen)

    def choose(method: str) -> list[Any]:
        return [gr.update(visible=name == method) for name in METHODS]

    def offer(name: str) -> list[Any]:
        fitting = methods_of(library.load(arguments.model(library, name).name))
        return [gr.update(choices=_titled(fitting), value=fitting[0]), *choose(fitting[0])]

    connect(box, library, model)
    on_page(model.change, offer, model, [method, *groups], works=True)
    on_page(method.change, choose, method, groups)
    inputs = [model, box, method, num, steps, seed, *knobs.values()]
    running = on_page(run.click, inpaint, inputs, shown, works=True)
    stop.click(None, cancels=[running], api_visibility="private")
    offer_inpaint(library)


def _method_menu(library: Library, name: str | None) -> gr.Dropdown:
    fitting = methods_of(library.load(name)) if name else list(METHODS)
    return gr.Dropdown(_titled(fitting), value=fitting[0], label="Method", elem_id="inpaint-method")


def _titled(methods: list[str]) -> list[tuple[str, str]]:
    return [(controls.title(name), name) for name in methods]


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


def show(
    library: Library, name: str, value: Any, method: str, num: Any, steps: Any, seed: Any, chosen: dict[str, Any]
) -> Iterator[str]:
    """The page's result as it comes, a few times a second; leaving this iterator ends the computation."""
    meta = arguments.model(library, name)
    seen = read_box(value, meta.event_shape, meta.levels)
    check_settings(library, name, method, num, steps, seed)
    options = controls.options(METHODS[method], chosen)
    before = view.with_hole(seen.levels, seen.known, meta.levels)
    started = shown_at = time.monotonic()
    yield view.results(view.status("Starting …", 0.0), _pair(before, before, "after"))
    model, settings = library.load(name), {"num": int(num), "steps": int(steps), "seed": int(seed)}
    frames = complete(model, seen.levels, seen.known, method=method, options=options, **settings)
    for frame in frames:
        now = time.monotonic()
        late = now - started > LIMITS.seconds
        if now - shown_at > SECONDS_BETWEEN_FRAMES or frame.step == frame.num_steps or late:
            shown_at = now
            yield _frame_view(frame, before, meta.levels, now - started, int(seed))
        if late:
            raise FlowgenError(TOO_LONG)


def _frame_view(frame: Frame, before: bytes, num_levels: int, seconds: float, seed: int) -> str:
    images = [view.png(one, num_levels) for one in frame.levels]
    names = [f"filled-seed{seed}-{i}.png" for i in range(len(images))]
    variants = "" if len(images) == 1 else view.tiles(images, [f"#{i}" for i in range(len(images))], names, size=130)
    return view.results(
        view.status(_progress(frame, seconds), frame.step / frame.num_steps),
        _pair(before, images[0], "after, #0" if variants else "after", names[0]),
        variants,
    )


def _pair(before: bytes, after: bytes, caption: str, file_name: str | None = None) -> str:
    return f'<div class="fg-pair">{view.tile(before, "before")}{view.tile(after, caption, file_name)}</div>'


def _progress(frame: Frame, seconds: float) -> str:
    parts = [f"step {frame.step} of {frame.num_steps}", f"{seconds:.1f} s"]
    if frame.step < frame.num_steps:
        parts.append(f"{seconds / frame.step * (frame.num_steps - frame.step):.1f} s to go")
    parts.append(f"log-density {float(frame.log_density.mean()):.0f} nats")
    if frame.acceptance_rate is not None:
        parts.append(f"accepted {100 * frame.acceptance_rate:.0f} %")
    if frame.rejected:
        parts.append(f"{frame.rejected} proposals were not finite and refused")
    return " · ".join(parts)


def check_settings(library: Library, model: str, method: Any, num: Any, steps: Any, seed: Any) -> None:
    """Refuse settings out of range.

    Raises:
        BadArgument: naming the setting.
    """
    arguments.choice("method", method, METHODS)
    fitting = methods_of(library.load(model))
    if method not in fitting:
        offer = ", ".join(fitting)
        raise BadArgument("method", f"method {method} does not fit the model {model}; these do: {offer}.")
    arguments.whole("num", num, 1, LIMITS.variants)
    arguments.whole("steps", steps, 1, LIMITS.steps)
    arguments.whole("seed", seed, 0, LIMITS.seed)


def read_request(
    library: Library, model: Any, image: Any, mask: Any, method: Any, num: Any, steps: Any, seed: Any, options: Any
) -> tuple[Tensor, Tensor, dict[str, Any]]:
    """The image (c, h, w), what is known of it (h, w), and the method's settings, of a call to /inpaint.

    Raises:
        FlowgenError: for anything out of order.
    """
    meta = arguments.model(library, model)
    check_settings(library, model, method, num, steps, seed)
    if options is not None and not isinstance(options, dict):
        raise BadArgument("options", 'The options must be a JSON object, such as {"step_size": 0.01}, or null.')
    try:
        chosen = controls.options(METHODS[method], options or {})
        configure(METHODS[method], chosen)
    except FlowgenError as error:
        raise BadArgument("options", str(error)) from None
    picture = arguments.open_upload("image", image)
    try:
        known = mask_to_known(arguments.open_upload("mask", mask), picture.size, meta.event_shape)
    except FlowgenError as error:
        raise BadArgument("mask", str(error)) from None
    return to_levels(picture, meta.event_shape, levels=meta.levels), known, chosen


def _last(frames: Iterator[Frame], deadline: float) -> Frame:
    for frame in frames:
        if frame.step == frame.num_steps:
            return frame
        if time.monotonic() > deadline:
            break
    raise FlowgenError(TOO_LONG)


def offer_inpaint(library: Library) -> None:
    """The endpoint /inpaint."""

    def inpaint(
        model: str, image: Any, mask: Any, method: str, num: int, steps: int, seed: int, options: Any = None
    ) -> tuple[list[str], Any]:
        """Fill in the white part of a mask: PNG files at the model's size, known pixels byte for byte, and a report.

        The mask is as large as the image. `options` are the method's own settings as a JSON object, such as
        {"step_size": 0.01}; those not named keep their defaults.
        """
        levels, known, chosen = read_request(library, model, image, mask, method, num, steps, seed, options)
        loaded, started = library.load(model), time.monotonic()
        settings = {"num": int(num), "steps": int(steps), "seed": int(seed)}
        frames = complete(loaded, levels, known, method=method, options=chosen, **settings)
        last = _last(frames, started + LIMITS.seconds)
        images = [view.png(one, loaded.levels) for one in last.levels]
        paths = [files.save(one, f"filled-seed{int(seed)}-{i}.png") for i, one in enumerate(images)]
        report = {
            "model": model,
            "method": method,
            **settings,
            "options": chosen,
            "hidden_pixels": int((~known).sum()),
            "log_density": [round(value, 3) for value in last.log_density.tolist()],
            "seconds": round(time.monotonic() - started, 3),
        }
        return paths, report

    def check(
        model: str, image: Any, mask: Any, method: str, num: int, steps: int, seed: int, options: Any = None
    ) -> None:
        read_request(library, model, image, mask, method, num, steps, seed, options)

    with gr.Column(visible=False):
        inputs = [
            controls.model_argument(library, any_hole=True),
            gr.File(label="Image, of any size and format"),
            gr.File(label="Mask of the image's size; white is what to fill in"),
            gr.Dropdown(list(METHODS), value=next(iter(METHODS)), label="Method; which fit depends on the model"),
            controls.whole_argument("How many variants", 1, 1, LIMITS.variants),
            controls.whole_argument("How many steps", 300, 1, LIMITS.steps),
            controls.whole_argument("Seed", 0, 0, LIMITS.seed),
            gr.JSON(None, label="The method's own settings, a JSON object, or null"),
        ]
        outputs = [gr.File(file_count="multiple", label="Filled in"), gr.JSON(label="Report")]
    endpoint(inpaint, check, inputs, outputs)
