"""Priors: their densities against torch's own, their normal coordinates, their draws."""

import math

import pytest
import torch

from flowgen.density import Density, Prior, StandardLogistic, StandardNormal, Uniform
from flowgen.errors import FlowgenError

PRIORS = [StandardNormal, StandardLogistic, Uniform]


@pytest.fixture(params=PRIORS)
def prior(request: pytest.FixtureRequest) -> Prior:
    made: Prior = request.param((5,)).double()
    return made


def test_log_prob_is_torchs_own() -> None:
    z = torch.linspace(-8, 8, 5, dtype=torch.float64)[None]
    normal = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum()
    assert StandardNormal((5,)).double().log_prob(z).item() == pytest.approx(normal.item(), abs=1e-12)
    half = torch.distributions.Uniform(0.0, 1.0)
    logistic = torch.distributions.TransformedDistribution(half, torch.distributions.SigmoidTransform().inv)
    expected = logistic.log_prob(z).sum()
    assert StandardLogistic((5,)).double().log_prob(z).item() == pytest.approx(expected.item(), abs=1e-9)


def test_uniform_is_zero_inside_and_nothing_outside() -> None:
    log_prob = Uniform((2,)).log_prob(torch.tensor([[0.2, 0.9], [0.2, 1.1]]))
    assert log_prob.tolist() == [0.0, -math.inf]


def test_normal_coordinates_round_trip(prior: Prior) -> None:
    w = torch.linspace(-5, 5, 5, dtype=torch.float64)[None]
    assert torch.allclose(prior.to_normal(prior.from_normal(w)), w, atol=1e-6)


def test_normal_coordinates_of_draws_are_normal(prior: Prior) -> None:
    w = prior.to_normal(prior.sample(4000, seed=1))
    assert w.mean().abs() < 4 / math.sqrt(w.numel())
    assert (w.var() - 1).abs() < 4 * math.sqrt(2 / w.numel())


def test_logistic_tails_stay_finite() -> None:
    prior = StandardLogistic((1,))
    w = prior.to_normal(torch.tensor([[-80.0], [80.0]]))
    assert w.isfinite().all()
    assert torch.allclose(prior.from_normal(w), torch.tensor([[-80.0], [80.0]]), rtol=1e-4)


def test_draw_i_depends_on_the_seed_and_i_alone(prior: Prior) -> None:
    assert torch.equal(prior.sample(5, seed=3)[:2], prior.sample(2, seed=3))
    assert not torch.equal(prior.sample(2, seed=3), prior.sample(2, seed=4))


def test_a_generator_draws_repeatably(prior: Prior) -> None:
    draws = [prior.sample(3, generator=torch.Generator().manual_seed(0)) for _ in range(2)]
    assert torch.equal(*draws)


def test_temperature_0_is_the_centre(prior: Prior) -> None:
    centre = 0.5 if isinstance(prior, Uniform) else 0.0
    assert (prior.sample(2, temperature=0.0, seed=0) == centre).all()


def test_temperature_spreads(prior: Prior) -> None:
    centre = 0.5 if isinstance(prior, Uniform) else 0.0
    plain, cool = prior.sample(2, seed=0), prior.sample(2, temperature=0.5, seed=0)
    assert torch.allclose(cool - centre, 0.5 * (plain - centre), atol=1e-12)


@pytest.mark.parametrize("temperature", [-1.0, math.nan, math.inf])
def test_an_impossible_temperature_is_refused(prior: Prior, temperature: float) -> None:
    with pytest.raises(FlowgenError, match="temperature"):
        prior.sample(1, temperature=temperature)


def test_no_samples_are_refused(prior: Prior) -> None:
    with pytest.raises(FlowgenError, match="at least 1"):
        prior.sample(0)


def test_priors_are_densities(prior: Prior) -> None:
    assert isinstance(prior, Density)
