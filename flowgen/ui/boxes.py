"""Picture boxes that outlive the page: what the browser kept of one, and the sample that a link names."""

import math
from typing import Any

import gradio as gr

from flowgen.checkpoint import Meta
from flowgen.ui import arguments
from flowgen.ui.kept import Asked
from flowgen.ui.links import unpacked
from flowgen.ui.picture import Value, empty, read_box

__all__ = ["SEEDS", "is_wanted", "kept_box", "sample_seed", "wanted_seed"]

SEEDS = 99_999  # the largest seed of a sample in a box


def kept_box(asked: Asked, part: str, meta: Meta) -> Any:
    """The box that the browser kept, if this model still takes its picture, or the one that a link's seed will fill."""

    def check(value: Any) -> Value:
        if isinstance(value, dict):
            read_box(value, meta.event_shape, meta.levels)
            return value
        mask = asked.get("mask", lambda text: unpacked(text, math.prod(meta.event_shape[-2:])), "")
        return empty() | {"seed": arguments.whole(part, value, 0, SEEDS), "mask": mask}

    return asked.get(part, check, gr.skip())


def is_wanted(value: Any) -> bool:
    """Whether a box names the sample that is to fill it."""
    return isinstance(value, dict) and not value.get("picture") and value.get("seed") is not None


def wanted_seed(value: Any) -> int:
    """The seed that such a box names.

    Raises:
        BadArgument: if it is none.
    """
    return arguments.whole("seed", value["seed"], 0, SEEDS)


def sample_seed(value: Any, name: str) -> int | None:
    """The seed of the picture in a box, where it is a sample of this model as it came, and nobody's upload."""
    seed = value.get("seed") if isinstance(value, dict) and value.get("of") == name else None
    return seed if isinstance(seed, int) and 0 <= seed <= SEEDS else None
