"""A recipe: what made a completion, kept in the PNG itself: the file alone gives picture, hole and settings back.

It is an iTXt entry "flowgen", a JSON object. Whoever opens a file has only a stranger's word for it: it is bounded, is
read by the same checks as any request, and refused as a whole where one of them fails.
"""

import base64
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from PIL import Image
from torch import Tensor

from flowgen.data.pictures import from_levels, open_picture, png_bytes, to_levels
from flowgen.errors import FlowgenError
from flowgen.hyperparameters import configure
from flowgen.inference import METHODS
from flowgen.library import Library
from flowgen.ui import arguments, controls
from flowgen.ui.inpaint_endpoint import check_settings
from flowgen.ui.limits import LIMITS
from flowgen.ui.picture import read_mask

__all__ = ["Recipe", "find_recipe", "read_recipe", "recipe_of", "signed_png"]

KEY = "flowgen"
LONGEST = 200_000  # characters


@dataclass(frozen=True)
class Recipe:
    """What made a completion.

    Args:
        model: its name, and model_sha256 that of its file.
        method: a name in METHODS, and options: all of its settings.
        num, steps, seed: of the run.
        index: of the variant.
        mask: a mark a pixel, "1" where it was filled in.
        image: base64 of a PNG, the picture as the model saw it.
        crop: where it was pasted into a photograph, the part that the model saw: left, upper, right, lower.
        invert: whether it saw light and dark exchanged, where the visitor chose.
    """

    model: str
    model_sha256: str
    method: str
    options: Mapping[str, Any]
    num: int
    steps: int
    seed: int
    index: int
    mask: str
    image: str
    crop: list[int] | None = None
    invert: bool | None = None

    def levels(self, event_shape: tuple[int, ...], levels: int) -> Tensor:
        """The picture as the model saw it, (c, h, w) uint8.

        Raises:
            FlowgenError: if it is none of that size.
        """
        try:
            picture = open_picture(base64.b64decode(self.image, validate=True))
        except ValueError:
            raise FlowgenError("the picture in it is damaged.") from None
        if picture.size != (event_shape[-1], event_shape[-2]):
            raise FlowgenError("the picture in it has another size than the model's.")
        return to_levels(picture, event_shape, levels=levels, invert=False)


def signed_png(picture: Image.Image, recipe: Recipe) -> bytes:
    """A PNG file with the recipe in it."""
    return png_bytes(picture, {KEY: json.dumps(asdict(recipe))})


def recipe_of(settings: Mapping[str, Any], index: int, mask: str, image: Tensor, num_levels: int) -> Recipe:
    """The recipe of a variant; `settings` are those of its `Result`."""
    seen = base64.b64encode(png_bytes(from_levels(image, num_levels))).decode()
    asked = {field.name: settings[field.name] for field in fields(Recipe) if field.name in settings}
    return Recipe(**asked, index=index, mask=mask, image=seen)


def find_recipe(content: bytes) -> str | None:
    """The text of the recipe in a file, if it is a PNG that has one; nothing else of its metadata is looked at."""
    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as picture:
            text = picture.info.get(KEY)
    except Exception:  # whatever is wrong with it, the picture's own reader says so
        return None
    return str(text) if isinstance(text, str) else None


def read_recipe(library: Library, text: Any) -> Recipe:
    """The recipe in a text, if this library can carry it out.

    Raises:
        FlowgenError: saying what is wrong with it.
    """
    if not isinstance(text, str) or len(text) > LONGEST:
        raise FlowgenError("they are too long.")
    try:
        found = json.loads(text)
        recipe = Recipe(**found)
    except (ValueError, TypeError, RecursionError):
        raise FlowgenError("they are no settings of FlowGen's.") from None
    meta = arguments.model(library, recipe.model)
    check_settings(library, recipe.model, recipe.method, recipe.num, recipe.steps, recipe.seed)
    arguments.whole("index", recipe.index, 0, LIMITS.variants - 1)
    if (
        not isinstance(recipe.options, dict)
        or not isinstance(recipe.image, str)
        or recipe.invert not in (None, True, False)
    ):
        raise FlowgenError("they are no settings of FlowGen's.")
    configure(METHODS[recipe.method], controls.options(METHODS[recipe.method], recipe.options))
    read_mask(recipe.mask, *meta.event_shape[-2:])
    recipe.levels(meta.event_shape, meta.levels)
    return recipe
