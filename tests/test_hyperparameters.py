"""Hyperparameters are held to their types and ranges, wherever they come from."""

from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from flowgen.errors import FlowgenError
from flowgen.hyperparameters import check, configure


@dataclass(frozen=True)
class Example:
    count: int = field(default=2, metadata={"min": 1, "max": 4})
    rate: float = field(default=0.5, metadata={"min": 0.0})
    kind: Literal["a", "b"] = "a"
    flag: bool = True
    limit: int | None = field(default=None, metadata={"min": 1})

    def __post_init__(self) -> None:
        check(self)


def test_what_fits_passes() -> None:
    assert configure(Example, {"count": 4, "rate": 7, "kind": "b", "limit": 3}) == Example(4, 7, "b", True, 3)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"count": 0}, "count is 0; it must be a whole number of at least 1 and at most 4."),
        ({"count": 5}, "count is 5"),
        ({"count": 1.5}, "a whole number"),
        ({"count": True}, "a whole number"),
        ({"count": "2"}, "count is '2'"),
        ({"rate": -0.1}, "rate is -0.1; it must be a number of at least 0."),
        ({"rate": float("nan")}, "rate is nan"),
        ({"rate": float("inf")}, "rate is inf"),
        ({"kind": "c"}, "one of a, b"),
        ({"flag": 1}, "true or false"),
        ({"limit": 0}, "limit is 0"),
        ({"wings": 2}, "There is no option 'wings' here; there are: count, rate, kind, flag, limit."),
    ],
)
def test_what_does_not_fit_is_named(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(FlowgenError) as caught:
        configure(Example, values)
    assert sentence in str(caught.value)
