"""Heat maps: bits of each pixel as colours, with a legend that says how many.

The colours are inferno's, by Smith and van der Walt (CC0): evenly brighter from black to pale yellow, so that they can
be told apart in gray, by the colour-blind, and on a dark page as on a light one.
"""

import html

import numpy as np
from PIL import Image
from torch import Tensor

from flowgen.data.pictures import png_bytes
from flowgen.ui import view

__all__ = ["figure", "heat_map", "top"]

INFERNO = (
    (0, 0, 4),
    (40, 11, 84),
    (101, 21, 110),
    (159, 42, 99),
    (212, 72, 66),
    (245, 125, 21),
    (250, 193, 39),
    (252, 255, 164),
)
QUIETEST = 1.0  # bits: less than this is not stretched over all colours


def top(bits: Tensor) -> float:
    """What the brightest colour stands for: all but the costliest half per cent of the pixels lie below it.

    Args:
        bits: (c, h, w); a pixel's colours are added up.
    """
    return max(QUIETEST, float(np.quantile(bits.sum(0).numpy(), 0.995)))


def heat_map(bits: Tensor) -> bytes:
    """The PNG of bits a pixel, (c, h, w), one pixel a pixel, from black for none to pale yellow for `top`."""
    share = (bits.sum(0).numpy() / top(bits)).clip(0, 1)
    stops = np.linspace(0, 1, len(INFERNO))
    channels = [np.interp(share, stops, channel) for channel in zip(*INFERNO, strict=True)]
    return png_bytes(Image.fromarray(np.rint(np.stack(channels, 2)).astype(np.uint8)))


def figure(bits: Tensor, alt: str) -> str:
    """The map over its legend, from 0 to `top`."""
    ramp = ", ".join(f"rgb({red} {green} {blue})" for red, green, blue in INFERNO)
    highest = f"{top(bits):.1f}{'+' if float(bits.sum(0).max()) > top(bits) else ''} bits"
    return (
        f'<figure class="fg-heat">{view.picture(heat_map(bits), alt)}'
        f'<i style="background:linear-gradient(90deg, {ramp})"></i>'
        f"<figcaption><span>0</span><span>{html.escape(highest)}</span></figcaption></figure>"
    )
