"""The tab that walks from one image to another, and the endpoint /interpolate."""

import time
from collections.abc import Iterator
from functools import partial
from typing import Any, Literal

import gradio as gr
from torch import Tensor

from flowgen.checkpoint import Meta
from flowgen.data import to_bytes
from flowgen.data.pictures import to_levels
from flowgen.errors import FlowgenError
from flowgen.inference.interpolate import interpolate as walk
from flowgen.interruption import Check, Interrupted, interruptible
from flowgen.library import Library
from flowgen.ui import arguments, controls, files, view
from flowgen.ui.boxes import kept_box, sample_seed
from flowgen.ui.events import endpoint, on_page
from flowgen.ui.examples import WALK, boxes_of, example_row
from flowgen.ui.kept import Asked, keep, keep_result
from flowgen.ui.limits import LIMITS
from flowgen.ui.links import NO_LINK, copy_link
from flowgen.ui.look import connect
from flowgen.ui.picture import picture_box, read_box
from flowgen.ui.stops import Stops

__all__ = ["build"]

Path = Literal["spherical", "linear"]
PATHS: dict[Path, str] = {
    "spherical": "Along the sphere that the model's noise lies on: each step is as noisy as the two ends.",
    "linear": "In a straight line: through the middle, where the noise is fainter than any the model was trained on.",
}


def build(library: Library) -> None:
    """Lay out the tab and offer its endpoint."""
    controls.lead(
        "Two images, and the way between them. The model turns both into noise, walks from one to the other there, and "
        "turns each step back into an image: <b>what lies between a 3 and an 8?</b>"
    )
    stops = Stops()
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=280, elem_classes="fg-panel"):
            model = controls.model_menu(library, "interpolate-model")
            with gr.Row():
                start = picture_box("From", "interpolate-start")
                end = picture_box("To", "interpolate-end")
            examples = example_row(WALK, "interpolate-examples")
            frames = gr.Slider(3, LIMITS.frames, 12, step=1, label="Number of images", elem_id="interpolate-frames")
            with gr.Row():
                run = gr.Button("Walk", variant="primary", elem_id="interpolate-run", elem_classes="fg-run")
                stop = gr.Button("Stop", variant="stop", elem_id="interpolate-stop", elem_classes="fg-run")
        with gr.Column(scale=8, min_width=320):
            shown = gr.HTML(
                view.blank("Give it two images, or draw two samples, and press Walk."),
                elem_id="interpolate-result",
                apply_default_css=False,
            )

    def interpolate(request: gr.Request, name: str, start: Any, end: Any, frames: Any) -> Iterator[str]:
        yield from show(library, name, start, end, frames, check=partial(stops.check, request))

    def set_out(request: gr.Request) -> None:
        stops.begin(request)

    def leave_off(request: gr.Request) -> None:
        stops.ask(request)

    def take(chosen: Any, name: str) -> list[Any]:
        return boxes_of(WALK, chosen, arguments.model(library, name))

    def restore(sent: Any) -> list[Any]:
        asked = Asked(sent)
        if not asked.values:
            return [gr.skip()] * (len(kept) + 1)
        meta = asked.get("model", lambda name: arguments.model(library, name), library.describe(model.value))
        boxes = [kept_box(asked, part, meta) for part in ("start", "end")]
        return [meta.name, *boxes, asked.of("frames", frames), controls.offered_by_link(asked, "Walk")]

    connect(start, library, model)
    connect(end, library, model)
    taken = on_page(examples.click, take, [examples, model], [start, end])
    ways = []
    for asked in (run.click, taken.success):
        begun = on_page(asked, set_out, None, None)
        ways.append(on_page(begun.then, interpolate, [model, start, end, frames], shown, works=True).success)
    on_page(stop.click, leave_off, None, None)
    kept = {"model": model, "start": start, "end": end, "frames": frames}
    restored = keep("Interpolate", kept, restore, [*kept.values(), shown])
    keep_result("Interpolate", restored, [shown], ways)
    offer_interpolate(library)


def show(library: Library, name: str, start: Any, end: Any, frames: Any, *, check: Check) -> Iterator[str]:
    """Both ways as the page shows them, one after the other; once `check` has ended it, what there is is the result."""
    meta = arguments.model(library, name)
    num = arguments.whole("number of images", frames, 2, LIMITS.frames)
    first, last = (_read_end(side, value, meta) for side, value in (("From", start), ("To", end)))
    yield view.results(view.status("turning both images into noise", 0.0))
    model, parts, started = library.load(name), list[str](), time.monotonic()
    for done, path in enumerate(PATHS):
        if done:
            to_go = f"{time.monotonic() - started:.1f} s to go"  # the other way takes as long
            yield view.results(view.status(f"one way of two · {to_go}", 0.5), *parts)
        try:
            with interruptible(check):
                levels = to_bytes(walk(model, first, last, num, path=path), meta.levels)
        except Interrupted as why:
            yield view.results(view.status("stopped after one way of two"), *parts) if parts else view.blank(str(why))
            return
        parts += _way(path, levels, meta.levels)
    seeds = [sample_seed(value, name) for value in (start, end)]
    link = NO_LINK
    if None not in seeds:
        link = copy_link("Interpolate", model=name, start=seeds[0], end=seeds[1], frames=num)
    yield view.results(*parts, f'<div class="fg-links">{link}</div>')


def _read_end(side: str, value: Any, meta: Meta) -> Tensor:
    """The image in one of the two boxes, whose name stands in a refusal."""
    try:
        return read_box(value, meta.event_shape, meta.levels).levels
    except FlowgenError as error:
        raise FlowgenError(f"{side}: {error}") from None


def _way(path: Path, levels: Tensor, num_levels: int) -> list[str]:
    film, middle = view.animation(levels, num_levels), view.png(levels[len(levels) // 2], num_levels)
    steps = [view.picture(view.png(one, num_levels), f"step {i}, {path}") for i, one in enumerate(levels)]
    strip = view.link(view.sheet(levels, num_levels, columns=len(levels)), f"{path}.png", "Download the strip")
    loop = view.link(film, f"{path}-animation.png", "Download the animation")
    return [
        f'<h3 class="fg-heading">{controls.title(path)}</h3>',
        view.note(PATHS[path]),
        f'<div class="fg-path"><figure class="fg-film">{view.moving(film, middle, f"animation, {path}")}</figure>'
        f'<div class="fg-strip">{"".join(steps)}</div></div>',
        f'<div class="fg-links">{strip}{loop}</div>',
    ]


def offer_interpolate(library: Library) -> None:
    """The endpoint /interpolate."""

    def interpolate(model: str, start: Any, end: Any, frames: int, path: str) -> tuple[list[str], str, str, Any]:
        """Walk from one image to another in a model's noise: the images on the way, a strip, and an animated PNG.

        Args:
            model: The model's name; see /models.
            start: The first image, of any size and format.
            end: The last image.
            frames: How many images, 2 to 32, both ends included.
            path: Along the sphere that the noise lies on, or in a straight line.
        """
        begin, finish, num = check(model, start, end, frames, path)
        way: Path = "linear" if path == "linear" else "spherical"
        loaded = library.load(model)
        levels = to_bytes(walk(loaded, begin, finish, num, path=way), loaded.levels)
        images = [files.save(view.png(one, loaded.levels), f"{path}-{i}.png") for i, one in enumerate(levels)]
        strip = files.save(view.sheet(levels, loaded.levels, columns=num), f"{path}.png")
        film = files.save(view.animation(levels, loaded.levels), f"{path}-animation.png")
        return images, strip, film, {"model": model, "frames": num, "interpolation": path}

    def check(model: str, start: Any, end: Any, frames: int, path: str) -> tuple[Tensor, Tensor, int]:
        meta = arguments.model(library, model)
        num = arguments.whole("frames", frames, 2, LIMITS.frames)
        arguments.choice("path", path, PATHS)
        begin, finish = (
            to_levels(arguments.open_upload(name, file), meta.event_shape, levels=meta.levels)
            for name, file in (("start", start), ("end", end))
        )
        return begin, finish, num

    with gr.Column(visible=False):
        inputs = [
            controls.model_argument(library),
            gr.File(label="First image, of any size and format"),
            gr.File(label="Last image"),
            controls.whole_argument("How many images, both ends included", 12, 2, LIMITS.frames),
            gr.Radio(list(PATHS), value="spherical", label="Way through the noise"),
        ]
        outputs = [
            gr.File(file_count="multiple", label="Images"),
            gr.File(label="Strip"),
            gr.File(label="Animation"),
            gr.JSON(label="Settings"),
        ]
    endpoint(interpolate, check, inputs, outputs)
