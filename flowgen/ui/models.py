"""The endpoint /models."""

import dataclasses
from typing import Any

import gradio as gr

from flowgen.library import Library
from flowgen.ui import arguments
from flowgen.ui.events import endpoint

__all__ = ["offer_models"]


def offer_models(library: Library) -> None:
    """What can be asked, and what is known of it."""

    def models() -> Any:
        """The models here: for each its name, data set, shape (channels, height, width), levels and bits/dim."""
        return [_card(dataclasses.asdict(library.describe(name))) for name in arguments.models(library)]

    with gr.Column(visible=False):
        outputs = [gr.JSON(label="Models")]
    endpoint(models, None, [], outputs, works=False)


def _card(meta: dict[str, Any]) -> dict[str, Any]:
    hidden = ("settings", "quantiles", "format")  # how it was trained in detail, and what /score works with
    return {"name": meta.pop("name"), **{key: value for key, value in meta.items() if key not in hidden}}
