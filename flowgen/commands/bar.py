"""The bar of a command's progress."""

from typing import Any

from tqdm import tqdm

__all__ = ["bar"]


def bar(total: int | None, unit: str, *, show: bool) -> "tqdm[Any]":
    """A bar on stderr that appears with the first progress it shows, so that a refusal before it stands alone."""
    return tqdm(total=total, unit=unit, disable=not show, delay=1e-3)
