"""The page. A new tab is a file with `build(library)` and a line in TABS."""

from collections.abc import Callable

from flowgen.library import Library
from flowgen.ui import edit, generate, inpaint, interpolate, models, score

__all__ = ["TABS"]

TABS: dict[str, Callable[[Library], None]] = {
    "Generate": generate.build,
    "Interpolate": interpolate.build,
    "Inpaint": inpaint.build,
    "Edit": edit.build,
    "Score": score.build,
    "Models": models.build,
}
