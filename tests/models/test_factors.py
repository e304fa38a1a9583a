"""Every factor: probabilities that sum to one whatever a net says, the same number both ways, F and its inverse."""

import itertools
import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from flowgen.errors import FlowgenError
from flowgen.models.factors import FACTORS, Bernoulli, Categorical, Factor, LogisticMixture, cdf, cell, icdf, tempered

CASES: dict[str, tuple[Factor, int]] = {
    "bernoulli, gray": (Bernoulli(), 1),
    "bernoulli, colours": (Bernoulli(), 3),
    "categorical of 2, gray": (Categorical(2), 1),
    "categorical of 3, colours": (Categorical(3), 3),
    "categorical of 256, gray": (Categorical(256), 1),
    "mixture of 2, gray": (LogisticMixture(2, components=3), 1),
    "mixture of 3, two colours": (LogisticMixture(3, components=2), 2),
    "mixture of 256, gray": (LogisticMixture(256), 1),
    "mixture of 256, colours": (LogisticMixture(256, components=4), 3),
}
# What a net may say in float32: ordinary; confident; means far outside and scales far too small or too large.
SPREADS = [1.0, 10.0, 1e3, 1e6, 1e30]
N = 16


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> tuple[Factor, int]:
    torch.manual_seed(0)
    return CASES[request.param]


def drawn(factor: Factor, channels: int, spread: float = 1.0) -> tuple[Tensor, Tensor]:
    """Parameters (n, P) in float64 and levels (n, c)."""
    parameters = spread * torch.randn(N, factor.num_parameters(channels), dtype=torch.float64)
    levels = torch.randint(0, factor.levels, (N, channels))
    levels[0], levels[1] = 0, factor.levels - 1
    return parameters, levels


def conditionals(factor: Factor, parameters: Tensor, levels: Tensor) -> Iterator[Tensor]:
    """For each colour given those before it, the log-probabilities of all levels: (n, L)."""
    channels = levels.shape[1]
    parts = parameters.chunk(factor.groups(channels), 1)
    for channel in range(channels):
        yield factor.log_probs(parts[channel % len(parts)], levels[:, :channel])


def test_every_factor_is_tested_here() -> None:
    tested = {type(factor) for factor, _ in CASES.values()}
    assert tested == {type(make(2)) for make in FACTORS.values()}


@pytest.mark.parametrize("spread", SPREADS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_probabilities_sum_to_one(case: tuple[Factor, int], spread: float, dtype: torch.dtype) -> None:
    factor, channels = case
    parameters, levels = drawn(factor, channels, spread)
    for log_probs in conditionals(factor, parameters.to(dtype), levels):
        assert log_probs.dtype == torch.float64
        assert log_probs.shape == (N, factor.levels)
        assert log_probs.isfinite().all()
        assert (log_probs.exp().sum(1) - 1).abs().max() < 1e-12


@pytest.mark.parametrize("spread", SPREADS)
@pytest.mark.parametrize("integer", [torch.uint8, torch.int64])
def test_log_prob_is_that_of_its_level(case: tuple[Factor, int], spread: float, integer: torch.dtype) -> None:
    factor, channels = case
    parameters, levels = drawn(factor, channels, spread)
    expected = torch.stack(
        [
            log_probs.gather(1, levels[:, channel, None])[:, 0]
            for channel, log_probs in enumerate(conditionals(factor, parameters, levels))
        ],
        1,
    )
    # As an image of 4x4 pixels, each with its own parameters.
    image = parameters.T.reshape(1, -1, 4, 4), levels.T.reshape(1, -1, 4, 4).to(integer)
    log_prob = factor.log_prob(*image)[0].flatten(1).T
    assert torch.allclose(log_prob, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("spread", SPREADS)
def test_training_in_float32_stays_finite(case: tuple[Factor, int], spread: float) -> None:
    factor, channels = case
    parameters, levels = drawn(factor, channels, spread)
    single = parameters.float()[..., None, None].requires_grad_()
    log_prob = factor.log_prob(single, levels[..., None, None].to(torch.uint8))
    log_prob.sum().backward()
    assert single.grad is not None
    assert log_prob.isfinite().all()
    assert single.grad.isfinite().all()
    if spread == 1:
        expected = factor.log_prob(parameters[..., None, None], levels[..., None, None])
        assert torch.allclose(log_prob.double(), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("spread", SPREADS)
def test_the_inverse_of_the_cdf_finds_every_level(case: tuple[Factor, int], spread: float) -> None:
    """Even one whose probability is far below what a float64 next to 1 can tell."""
    factor, channels = case
    parameters, levels = drawn(factor, channels, spread)
    for log_probs in conditionals(factor, parameters, levels):
        cumulative = cdf(log_probs)
        assert (cumulative - log_probs.exp().cumsum(1)).abs().max() < 1e-10
        assert (cumulative[:, -1] == 1).all()
        for k in (torch.full((N,), level) for level in range(factor.levels)):
            low, high = cell(cumulative, k)
            assert (low < high).all()
            for inside in (low, (low + high) / 2, torch.nextafter(high, low)):
                assert torch.equal(icdf(cumulative, inside), k)


def test_the_inverse_of_the_cdf_at_its_ends() -> None:
    cumulative = cdf(torch.tensor([[0.25, 0.75]], dtype=torch.float64).log())
    for u, k in ((0.0, 0), (0.2499, 0), (0.2501, 1), (1.0, 1)):
        assert icdf(cumulative, torch.tensor([u], dtype=torch.float64)).item() == k


@pytest.mark.parametrize("temperature", [0.1, 0.7, 1.0, 3.0])
def test_a_temperature_divides_the_log_probabilities(case: tuple[Factor, int], temperature: float) -> None:
    factor, channels = case
    for log_probs in conditionals(factor, *drawn(factor, channels)):
        powers = log_probs.exp() ** (1 / temperature)
        expected = powers / powers.sum(1, keepdim=True)
        assert (tempered(log_probs, temperature).exp() - expected).abs().max() < 1e-12


def test_temperature_0_is_the_mode(case: tuple[Factor, int]) -> None:
    factor, channels = case
    for log_probs in conditionals(factor, *drawn(factor, channels)):
        cold = tempered(log_probs, 0)
        assert torch.equal(cold.exp().sum(1), torch.ones(N, dtype=torch.float64))
        assert torch.equal(cold.argmax(1), log_probs.argmax(1))
        for u in (0.0, 2.0**-60, 0.5, 1 - 2.0**-53):
            drawn_level = icdf(cdf(cold), torch.full((N,), u, dtype=torch.float64))
            assert torch.equal(drawn_level, log_probs.argmax(1))


@pytest.mark.parametrize("temperature", [-0.1, math.nan, math.inf])
def test_an_impossible_temperature_is_refused(temperature: float) -> None:
    with pytest.raises(FlowgenError, match="temperature"):
        tempered(torch.zeros(1, 2), temperature)


def naive(parameters: list[float], levels: tuple[int, ...], num_levels: int, components: int) -> float:
    """The mass of one pixel by the mixture's definition: a sum over components of products of differences of F."""
    channels = len(levels)
    rows = [parameters[i : i + components] for i in range(0, len(parameters), components)]
    weights, rest = rows[0], rows[1:]
    means, log_scales, leans = rest[:channels], rest[channels : 2 * channels], rest[2 * channels :]
    values = [(2 * k + 1) / num_levels - 1 for k in levels]

    def logistic(x: float) -> float:
        return 1 / (1 + math.exp(-x))

    mass = 0.0
    for i in range(components):
        product = math.exp(weights[i]) / sum(math.exp(w) for w in weights)
        for c, k in enumerate(levels):
            lean = [math.tanh(leans[c * (c - 1) // 2 + e][i]) for e in range(c)]
            mean = means[c][i] + sum(a * v for a, v in zip(lean, values[:c], strict=True))
            scale = math.exp(log_scales[c][i])
            above = 1.0 if k == num_levels - 1 else logistic((2 * (k + 1) / num_levels - 1 - mean) / scale)
            below = 0.0 if k == 0 else logistic((2 * k / num_levels - 1 - mean) / scale)
            product *= above - below
        mass += product
    return mass


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("num_levels", [2, 4])
def test_a_mixture_is_the_sum_over_its_components(channels: int, num_levels: int) -> None:
    torch.manual_seed(channels)
    factor = LogisticMixture(num_levels, components=3)
    parameters = torch.randn(1, factor.num_parameters(channels), 1, 1, dtype=torch.float64)
    total = 0.0
    for levels in itertools.product(range(num_levels), repeat=channels):
        expected = naive(parameters.flatten().tolist(), levels, num_levels, 3)
        mass = factor.log_prob(parameters, torch.tensor(levels).view(1, -1, 1, 1)).sum().exp().item()
        assert mass == pytest.approx(expected, rel=1e-10)
        total += mass
    assert total == pytest.approx(1, abs=1e-12)


def test_a_later_colour_leans_on_an_earlier_one() -> None:
    factor = LogisticMixture(8, components=1)
    parameters = torch.tensor([[0.0, 0, 0, -1, -3, 0.0]]).double()  # weight, two means, two log-scales, lean

    def green(red: int, lean: float) -> int:
        parameters[0, 5] = lean
        return int(factor.log_probs(parameters, torch.tensor([[red]])).argmax())

    assert green(6, 0) in (3, 4)  # the mean is the edge between them
    assert green(6, 5) == 6
    assert green(6, -5) == 1


@pytest.mark.parametrize("channels", [1, 3])
def test_the_density_of_a_mixture_integrates_to_one(channels: int) -> None:
    torch.manual_seed(0)
    factor = LogisticMixture(256, components=4)
    parameters = torch.randn(factor.num_parameters(channels), dtype=torch.float64)
    grid = torch.linspace(-60, 60, 100_001, dtype=torch.float64)
    for channel in range(channels):
        x = torch.full((1, channels, 1, len(grid)), 0.3, dtype=torch.float64)
        x[0, channel, 0] = grid
        density = factor.log_density(parameters.view(1, -1, 1, 1), x)[0, channel, 0].exp()
        assert torch.trapezoid(density, grid).item() == pytest.approx(1, abs=1e-6)


def test_the_density_over_a_level_is_its_mass() -> None:
    torch.manual_seed(0)
    factor = LogisticMixture(16, components=4)
    parameters = torch.randn(1, factor.num_parameters(1), 1, 1, dtype=torch.float64)
    for k in range(1, 15):  # the first and the last level also hold the tails
        grid = torch.linspace(k / 16, (k + 1) / 16, 2001, dtype=torch.float64)
        density = factor.log_density(parameters, grid.view(1, 1, 1, -1)).exp().flatten()
        mass = factor.log_prob(parameters, torch.full((1, 1, 1, 1), k)).exp().item()
        assert torch.trapezoid(density, grid).item() == pytest.approx(mass, rel=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_density_of_a_mixture_is_smooth(channels: int) -> None:
    """Its gradient and the gradient's gradient are those of finite differences, at a level's edge too."""
    torch.manual_seed(0)
    factor = LogisticMixture(4, components=3)
    parameters = torch.randn(2, factor.num_parameters(channels), 1, 1, dtype=torch.float64, requires_grad=True)
    x = torch.tensor([0.5, 0.31, 0.75, 0.25, 0.9, 0.5]).double()[: 2 * channels].view(2, channels, 1, 1)
    assert torch.autograd.gradcheck(factor.log_density, (parameters, x.requires_grad_()))
    assert torch.autograd.gradgradcheck(factor.log_density, (parameters, x))


def test_a_bernoulli_pixel_has_2_levels() -> None:
    with pytest.raises(FlowgenError, match="2 levels, not 3"):
        Bernoulli(3)
