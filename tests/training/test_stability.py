"""Recipes as they come, at the default learning rates: no step may meet a value that is not finite."""

from collections.abc import Callable

import pytest

from flowgen.models import MODELS
from flowgen.training import Trainer


@pytest.mark.parametrize("recipe", MODELS)
def test_a_first_seed_meets_no_value_that_is_not_finite(recipe: str, trainer: Callable[..., Trainer]) -> None:
    run = trainer(recipe, settings={"steps": 40, "warmup": 0})  # at the full rate from the first step
    run.fit(progress=False)
    assert run.skipped == 0


@pytest.mark.slow
@pytest.mark.parametrize("recipe", MODELS)
@pytest.mark.parametrize("seed", range(10))
def test_ten_seeds_of_200_steps_meet_no_value_that_is_not_finite(
    recipe: str, seed: int, trainer: Callable[..., Trainer]
) -> None:
    run = trainer(recipe, settings={"steps": 200, "seed": seed, "warmup": 100})
    run.fit(progress=False)
    assert (run.step, run.skipped) == (200, 0)
