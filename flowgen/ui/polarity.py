"""Which way round a gray model sees an upload, and what it makes of anything else than it was trained on.

Models of digits and clothes know light on black, and a photograph of ink on paper is the opposite. By its border one
guesses which it is; the visitor is told, and may choose otherwise.
"""

from typing import Any

from PIL import Image

from flowgen.checkpoint import Meta
from flowgen.data.pictures import Box, Invert, tones

__all__ = ["inverts", "otherwise", "remark", "wanted"]

TRAINED_ON = {
    "mnist": "trained on MNIST digits: anything else it will see as a digit",
    "fashion_mnist": "trained on Fashion-MNIST: anything else it will see as a piece of clothing",
    "cifar10": "trained on CIFAR-10: it knows animals and vehicles, and sees everything else as if it were one",
}


def wanted(value: Any) -> Invert:
    """What the visitor chose for a picture box or a gallery, or "auto"."""
    chosen = value.get("invert") if isinstance(value, dict) else None
    return chosen if isinstance(chosen, bool) else "auto"


def inverts(meta: Meta, picture: Image.Image, box: Box, invert: Invert) -> bool | None:
    """Whether a part of an upload is shown to a model with light and dark exchanged; None for a model of colours."""
    if meta.event_shape[0] != 1:
        return None
    black, white = tones(picture, meta.event_shape, box=box, invert=invert)
    return black > white


def otherwise(meta: Meta, picture: Image.Image, box: Box, invert: Invert) -> bool | None:
    """What a visitor chooses who does not want it as it is: the opposite, which is None where it is the guess."""
    opposite = not inverts(meta, picture, box, invert)
    return None if opposite == inverts(meta, picture, box, "auto") else opposite


def remark(meta: Meta, inverted: bool | None, invert: Invert) -> str:
    """What was done to an upload, and what the model will take it for."""
    done = ""
    if inverted is not None and invert != "auto":
        done = "brightness inverted, as you chose" if inverted else "brightness not inverted, as you chose"
    elif inverted:
        done = "brightness inverted, as this model knows light strokes on black"
    data = meta.dataset.replace("_", " ")
    trained = TRAINED_ON.get(meta.dataset, f"trained on {data}: it knows nothing else" if data else "")
    return " · ".join(filter(None, [done, trained]))
