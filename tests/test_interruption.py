"""Work that is no longer wanted ends: in the middle of a pass, forward or back, and between two pixels."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from flowgen.checkpoint import Meta, build, save_checkpoint
from flowgen.inference import draw
from flowgen.interruption import Check, Interrupted, asks, checkpoint, interruptible, watched
from flowgen.library import Library


def after(asked: int) -> tuple[Check, Callable[[], int]]:
    """A check that ends the work when it is asked once more than so often, and how often it was."""
    count = 0

    def check() -> None:
        nonlocal count
        count += 1
        if count > asked:
            raise Interrupted("Enough.")

    return check, lambda: count


def test_nothing_is_asked_outside_and_all_checks_within() -> None:
    inner, outer = [], []
    checkpoint()
    with interruptible(lambda: outer.append(1)), interruptible(lambda: inner.append(1)):
        checkpoint()
    checkpoint()
    assert (len(inner), len(outer)) == (1, 1)


def test_only_what_is_computed_is_watched_and_not_its_consumer() -> None:
    def items() -> Iterator[int]:
        for i in range(5):
            checkpoint()
            yield i

    check, count = after(3)
    seen = []

    def consume() -> None:
        for item in watched(items(), check):
            checkpoint()  # the consumer's own
            seen.append(item)

    with pytest.raises(Interrupted):
        consume()
    assert seen == [0, 1, 2]
    assert count() == 4


class Slow(nn.Module):
    """A layer of 20 ms, forward and back."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        time.sleep(0.02)
        x = x * 1.0
        if x.requires_grad:
            x.register_hook(lambda gradient: time.sleep(0.02))
        return x


@pytest.mark.parametrize("backward", [False, True])
def test_a_pass_ends_between_two_layers(backward: bool) -> None:
    model = nn.Sequential(*[Slow() for _ in range(50)])
    asks(model)
    x = torch.ones(1, requires_grad=backward)
    check, count = after(60 if backward else 5)  # 51 forward
    started = time.monotonic()
    with interruptible(check), pytest.raises(Interrupted):
        model(x).sum().backward()
    assert time.monotonic() - started < (1.8 if backward else 0.8)
    assert count() == (61 if backward else 6)


@pytest.mark.parametrize(
    ("recipe", "hyperparameters"),
    [
        ("realnvp", {"hidden": 4, "blocks": 1, "couplings": 4}),
        ("gated_pixelcnn", {"hidden": 4, "dilations": "1 2", "embedding": 4}),
    ],
)
def test_a_librarys_model_asks_many_times_while_it_draws(
    tmp_path: Path, recipe: str, hyperparameters: dict[str, Any]
) -> None:
    torch.manual_seed(0)
    meta = Meta(recipe, hyperparameters, (1, 8, 8), dataset="mnist")
    save_checkpoint(tmp_path / "small.safetensors", build(meta), meta)
    model = Library(tmp_path, device="cpu").load("small").frozen()
    check, count = after(10**9)
    with interruptible(check):
        *_, (_, whole) = draw(model, 2, seed=0)
    assert count() >= 10
    check, count = after(count() // 2)
    with interruptible(check), pytest.raises(Interrupted):
        list(draw(model, 2, seed=0))
    *_, (_, again) = draw(model, 2, seed=0)
    assert torch.equal(whole, again), "what was ended leaves nothing behind"
