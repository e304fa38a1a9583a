"""The endpoint /inpaint."""

import time
from typing import Any

import gradio as gr
from torch import Tensor

from flowgen.data.pictures import mask_to_known, to_levels
from flowgen.errors import FlowgenError
from flowgen.hyperparameters import configure
from flowgen.inference import METHODS, Recorder, complete
from flowgen.library import Library
from flowgen.ui import arguments, controls, files, view
from flowgen.ui.events import endpoint
from flowgen.ui.limits import LIMITS
from flowgen.ui.refusals import BadArgument

__all__ = ["check_settings", "offer_inpaint"]

STEPS = 300


def check_settings(library: Library, model: str, method: Any, num: Any, steps: Any, seed: Any) -> None:
    """Refuse settings out of range.

    Raises:
        BadArgument: naming the setting.
    """
    arguments.choice("method", method, METHODS)
    fitting = arguments.methods(arguments.model(library, model))
    if method not in fitting:
        offer = ", ".join(fitting)
        raise BadArgument("method", f"method {method} does not fit the model {model}; these do: {offer}.")
    arguments.whole("num", num, 1, LIMITS.variants)
    arguments.whole("steps", steps, 1, LIMITS.steps)
    arguments.whole("seed", seed, 0, LIMITS.seed)


def read_request(
    library: Library, model: Any, image: Any, mask: Any, method: Any, num: Any, steps: Any, seed: Any, options: Any
) -> tuple[Tensor, Tensor, str, dict[str, Any]]:
    """The image (c, h, w), what is known of it (h, w), the method and its settings, of a call to /inpaint.

    Raises:
        FlowgenError: for anything out of order.
    """
    meta = arguments.model(library, model)
    picture = arguments.open_upload("image", image)
    try:
        known = mask_to_known(arguments.open_upload("mask", mask), picture.size, meta.event_shape)
    except FlowgenError as error:
        raise BadArgument("mask", str(error)) from None
    chosen = arguments.methods(meta, known)[0] if method is None else method
    check_settings(library, model, chosen, num, steps, seed)
    settings = _read_options(chosen, options)
    return to_levels(picture, meta.event_shape, levels=meta.levels), known, chosen, settings


def _read_options(method: str, options: Any) -> dict[str, Any]:
    if options is not None and not isinstance(options, dict):
        raise BadArgument("options", 'The options must be a JSON object, such as {"step_size": 0.01}, or null.')
    try:
        chosen = controls.options(METHODS[method], options or {})
        configure(METHODS[method], chosen)
    except FlowgenError as error:
        raise BadArgument("options", str(error)) from None
    return chosen


def offer_inpaint(library: Library) -> None:
    """The endpoint /inpaint."""

    def inpaint(
        model: str,
        image: Any,
        mask: Any,
        method: str | None = None,
        num: int = 1,
        steps: int = STEPS,
        seed: int = 0,
        options: Any = None,
    ) -> tuple[list[str], Any]:
        """Fill in the white part of a mask: PNG files at the model's size, known pixels byte for byte, and a report
        with the diagnostics of the run.

        The mask is as large as the image. `method` null is the first of those that fit the model and the hole; the
        report names it. `options` are the method's own settings as a JSON object, such as
        {"step_size": 0.01}; those not named keep their defaults.

        Args:
            model: The model's name; see /models.
            image: The picture, of any size and format.
            mask: As large as the image; white is what to fill in.
            method: How; those that do not fit the model are refused with a list of those that do.
            num: How many variants, 1 to 16.
            steps: How many steps, 1 to 2000.
            seed: Variant i depends on the seed and i alone.
            options: The method's own settings by their names.
        """
        levels, known, method, chosen = read_request(library, model, image, mask, method, num, steps, seed, options)
        loaded, started = library.load(model), time.monotonic()
        settings = {"num": int(num), "steps": int(steps), "seed": int(seed)}
        frames = complete(loaded, levels, known, method=method, options=chosen, **settings)
        recorder = Recorder(levels, known, loaded.levels, METHODS[method])
        for _ in recorder.watch(frames):
            continue
        result = recorder.result({})
        images = [view.png(one, loaded.levels) for one in result.completions]
        paths = [files.save(one, f"filled-seed{int(seed)}-{i}.png") for i, one in enumerate(images)]
        report = {
            "model": model,
            "method": method,
            **settings,
            "options": chosen,
            "hidden_pixels": int((~known).sum()),
            "log_density": [round(value, 3) for value in result.trace.log_density[-1].tolist()],
            "diagnostics": result.facts()["diagnostics"],
            "seconds": round(time.monotonic() - started, 3),
        }
        return paths, report

    def check(
        model: str,
        image: Any,
        mask: Any,
        method: str | None = None,
        num: int = 1,
        steps: int = STEPS,
        seed: int = 0,
        options: Any = None,
    ) -> None:
        read_request(library, model, image, mask, method, num, steps, seed, options)

    with gr.Column(visible=False):
        inputs = [
            controls.model_argument(library),
            gr.File(label="Image, of any size and format"),
            gr.File(label="Mask, as large as the image or as what the model sees; white is what to fill in"),
            gr.Dropdown(list(METHODS), value=None, label="Method, or null for the usual one of the model and the hole"),
            controls.whole_argument("How many variants", 1, 1, LIMITS.variants),
            controls.whole_argument("How many steps", STEPS, 1, LIMITS.steps),
            controls.whole_argument("Seed", 0, 0, LIMITS.seed),
            controls.object_argument(
                "The method's own settings, a JSON object, or null", "the method's own settings by their names", None
            ),
        ]
        outputs = [gr.File(file_count="multiple", label="Filled in"), gr.JSON(label="Report")]
    endpoint(inpaint, check, inputs, outputs)
