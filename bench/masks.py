"""Holes: a centred square, and the ten that NICE (Dinh et al., 2014, figure 5) fills in."""

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["MASKS", "centre", "nice_masks"]


def centre(height: int, width: int) -> Tensor:
    """True where known: all but a centred square of half the height and width, (height, width)."""
    known = torch.ones(height, width, dtype=torch.bool)
    known[height // 4 : height - height // 4, width // 4 : width - width // 4] = False
    return known


def nice_masks(height: int, width: int) -> dict[str, Tensor]:
    """True where known, by name; the noise of the last two is drawn with seeds of their own."""
    rows = torch.arange(height)[:, None].expand(height, width)
    columns = torch.arange(width)[None].expand(height, width)
    checkers = (rows + columns) % 2
    return {
        "top": rows >= height // 2,
        "bottom": rows < height // 2,
        "odd": checkers == 0,
        "even": checkers == 1,
        "left": columns >= width // 2,
        "right": columns < width // 2,
        "middle vertically": (columns < width // 4) | (columns >= width - width // 4),
        "middle horizontally": (rows < height // 4) | (rows >= height - height // 4),
        "75% random": _random(height, width, 0.75, 75),
        "90% random": _random(height, width, 0.90, 90),
    }


def _random(height: int, width: int, hidden: float, seed: int) -> Tensor:
    return torch.rand(height, width, generator=torch.Generator().manual_seed(seed)) >= hidden


MASKS: dict[str, Callable[[int, int], dict[str, Tensor]]] = {
    "centre": lambda height, width: {"centre": centre(height, width)},
    "nice": nice_masks,
}
