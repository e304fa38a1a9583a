"""Work on ZeroGPU: where Spaces lends its GPU for a while, whatever computes asks for it, and says for how long.

On ZeroGPU there is a package `spaces`, to be imported before torch touches CUDA. It runs a function in another process:
arguments and what is returned or raised are pickled.
"""

import inspect
import math
from collections.abc import Callable
from typing import Any

from flowgen.space.limits import GPU_TIME
from flowgen.ui.pace import PRESETS

try:
    import spaces
except ImportError:
    spaces = None

__all__ = ["on_gpu", "seconds_of"]

COUNTS = (("num", "frames"), ("steps",))  # arguments that say how many images, and how many steps


def on_gpu(fn: Callable[..., Any]) -> Callable[..., Any]:
    """The function or generator, with a GPU on ZeroGPU; anywhere else, itself."""
    wrapped: Callable[..., Any] = fn if spaces is None else spaces.GPU(duration=seconds_of(fn))(fn)
    return wrapped


def seconds_of(fn: Callable[..., Any]) -> Callable[..., int]:
    """How long a call of fn may hold the GPU, by the images, steps and effort that its arguments ask for."""
    signature = inspect.signature(fn)

    def seconds(*args: Any, **kwargs: Any) -> int:
        asked = signature.bind(*args, **kwargs)
        asked.apply_defaults()
        images, steps = (sum(_number(asked.arguments.get(name)) for name in names) for names in COUNTS)
        preset = asked.arguments.get("preset")
        effort = PRESETS[preset].seconds if isinstance(preset, str) and preset in PRESETS else 0.0
        return GPU_TIME.seconds(images, steps, effort)

    return seconds


def _number(value: Any) -> float:
    """A count as it was sent; what is none is refused later, and asks for no time here."""
    fits = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return max(0.0, float(value)) if fits else 0.0
