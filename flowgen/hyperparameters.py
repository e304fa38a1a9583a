"""Hyperparameters: fields of frozen dataclasses that carry their own range, choice and help text.

Flags, sliders, a checkpoint's header and the checks below all derive from them.
"""

import sys
import types
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from flowgen.errors import FlowgenError

__all__ = ["check", "check_values", "configure"]


def check(source: Any) -> None:
    """Hold each field of a dataclass to its type, and to the range in its metadata.

    Raises:
        FlowgenError: naming the field, what it may be, and what was given.
    """
    check_values(type(source), {field.name: getattr(source, field.name) for field in fields(source)})


def check_values(source: type[Any], values: Mapping[str, Any]) -> None:
    """Hold named values to a dataclass's fields, as check does, before there is one; names that it lacks are left out.

    Raises:
        FlowgenError: naming the field, what it may be, and what was given.
    """
    hints = get_type_hints(source)
    for field in (field for field in fields(source) if field.name in values):
        value, low, high = values[field.name], field.metadata.get("min"), field.metadata.get("max")
        if not _fits(value, hints[field.name], low, high):
            wanted = _described(hints[field.name], low, high)
            raise FlowgenError(f"{field.name} is {value!r}; it must be {wanted}.")


def configure(source: type[Any], values: Mapping[str, Any]) -> Any:
    """Build a dataclass from named hyperparameters, the rest at their defaults.

    Raises:
        FlowgenError: if a name is not one of its fields.
    """
    names = [field.name for field in fields(source)]
    for name in values:
        if name not in names:
            raise FlowgenError(f"There is no option {name!r} here; there are: {', '.join(names)}.")
    return source(**values)


def _fits(value: Any, hint: Any, low: float | None, high: float | None) -> bool:
    if get_origin(hint) in (Union, types.UnionType):
        return any(_fits(value, part, low, high) for part in get_args(hint))
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if hint in (int, float):
        number = isinstance(value, int if hint is int else (int, float)) and not isinstance(value, bool)
        finite = number and abs(value) <= sys.float_info.max  # math.isfinite cannot take integers beyond
        return finite and (low is None or value >= low) and (high is None or value <= high)
    return isinstance(value, hint)


def _described(hint: Any, low: float | None, high: float | None) -> str:
    if get_origin(hint) in (Union, types.UnionType):
        return " or ".join(_described(part, low, high) for part in get_args(hint) if part is not type(None))
    if get_origin(hint) is Literal:
        return f"one of {', '.join(map(str, get_args(hint)))}"
    if hint in (int, float):
        kind = "a whole number" if hint is int else "a number"
        ends = [f"at least {low:g}" if low is not None else "", f"at most {high:g}" if high is not None else ""]
        return f"{kind} of {' and '.join(filter(None, ends))}" if any(ends) else kind
    return {bool: "true or false", str: "a text"}[hint]
