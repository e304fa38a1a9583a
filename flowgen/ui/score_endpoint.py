"""The endpoints /score and /heat_map."""

import time
from collections.abc import Iterator
from typing import Any

import gradio as gr

from flowgen.checkpoint import Meta
from flowgen.data.pictures import to_levels
from flowgen.errors import FlowgenError
from flowgen.evaluation import Attribution, attribute, bits_per_dim
from flowgen.library import Library
from flowgen.ui import arguments, controls, files, heat
from flowgen.ui.events import endpoint
from flowgen.ui.limits import LIMITS
from flowgen.ui.scoring import scores

__all__ = ["offer_score"]


def offer_score(library: Library) -> None:
    """The endpoints."""

    def score(image: Any) -> Any:
        """Bits per dimension of an image under every model: a list of objects, the surest model first.

        `percent_costlier`: how many per cent of the model's test images cost more bits; null where none were tested.

        Args:
            image: The picture to score, of any size and format.
        """
        return [
            {
                "model": one.meta.name,
                "bits_per_dim": None if one.bits is None else round(one.bits, 5),
                "percent_costlier": None if one.costlier is None else round(one.costlier, 2),
                "test_bits_per_dim": one.meta.bits_per_dim,
                "protocol": one.meta.protocol,
            }
            for one in scores(library, arguments.open_upload("image", image))
        ]

    def check(image: Any) -> None:
        arguments.open_upload("image", image)

    with gr.Column(visible=False):
        inputs = [gr.File(label="Image, of any size and format")]
        outputs = [gr.JSON(label="Scores")]
    endpoint(score, check, inputs, outputs)
    _offer_heat_map(library)


def _to_the_end(parts: Iterator[Attribution], deadline: float) -> Attribution:
    for part in parts:
        if part.done == 1:
            return part
        if time.monotonic() > deadline:
            break
    raise FlowgenError(f"This took longer than {LIMITS.seconds:.0f} s and was ended; try another model.")


def _offer_heat_map(library: Library) -> None:
    def heat_map(model: str, image: Any) -> tuple[str, Any]:
        """Where the bits go that a model spends on an image: a PNG at the model's size, and the bits as numbers.

        `pixel_bits` are rows of bits, a pixel's colours added up. Where `exact` is true they are those of each pixel
        given the ones before it, and add up to `bits`, the whole image's; otherwise they say what a pixel costs at
        least once all others are known. The PNG's brightest colour stands for `top` bits.

        Args:
            model: The model's name; see /models.
            image: The picture, of any size and format.
        """
        meta = check(model, image)
        levels = to_levels(arguments.open_upload("image", image), meta.event_shape, levels=meta.levels)
        loaded, deadline = library.load(model).frozen(), time.monotonic() + LIMITS.seconds
        found = _to_the_end(attribute(loaded, levels), deadline)
        report = {
            "model": model,
            "exact": found.exact,
            "bits": round(float(bits_per_dim(loaded, levels[None])[0]) * levels.numel(), 3),
            "top": round(heat.top(found.bits), 3),
            "pixel_bits": [[round(bits, 4) for bits in row] for row in found.bits.sum(0).tolist()],
        }
        return files.save(heat.heat_map(found.bits), f"{model}-bits.png"), report

    def check(model: str, image: Any) -> Meta:
        meta = arguments.model(library, model)
        arguments.open_upload("image", image)
        return meta

    with gr.Column(visible=False):
        inputs = [controls.model_argument(library), gr.File(label="Image, of any size and format")]
        outputs = [gr.File(label="Heat map"), gr.JSON(label="Bits")]
    endpoint(heat_map, check, inputs, outputs)
