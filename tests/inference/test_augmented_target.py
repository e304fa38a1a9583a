"""Proofs that the augmented latent target is the posterior of the hidden pixels, for every sigma."""

import dataclasses
import importlib
import math

import pytest
import torch

from flowgen.data.images import midpoints
from flowgen.inference import annealing, augmented_target, complete, inpaint
from flowgen.inference.kernels import PCN, PLMCMC, Independence
from flowgen.inference.start import Search
from flowgen.models import FLOWS

DOUBLE, LOGIT = torch.float64, torch.logit
SHAPE = (1, 4, 4)


def pixels(x):
    return x


def build(recipe):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = FLOWS[recipe](hidden=8).build(SHAPE)
        model.initialize(torch.rand(64, *SHAPE))
        for parameter in model.parameters():  # what starts at zero would keep volumes
            parameter.data.add_(0.1 * torch.randn_like(parameter))
    return model.double().frozen()


@pytest.fixture(scope="module", params=FLOWS)
def model(request):
    return build(request.param)


@pytest.fixture(scope="module")
def image():
    return torch.randint(0, 256, SHAPE, generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


@pytest.fixture(scope="module")
def known():
    known = torch.ones(SHAPE, dtype=torch.bool)
    known[:, 1:3, 1:4] = False
    return known


def test_its_density_is_the_formula_with_the_determinant_of_autograd(model, image, known):
    """Up to a constant: log p(x_hidden, x_known) + log N(G(w)_known; x_known, 0.3^2) + log|det dG/dw|."""
    w = 0.5 * torch.randn(4, 16, dtype=DOUBLE, generator=torch.Generator().manual_seed(2))
    x_known = midpoints(image).double()

    def decode(one):
        return model.decode(model.prior.from_normal(one[None]))[0]

    expected = []
    for one in w:
        x = decode(one)
        determinant = torch.linalg.slogdet(torch.autograd.functional.jacobian(decode, one).view(16, 16)).logabsdet
        noise = -(x - x_known)[known].square().sum() / (2 * 0.3**2)
        expected.append(model.log_prob(torch.where(known, x_known, x)[None])[0] + noise + determinant)
    density = augmented_target(model, image, known, sigma=0.3, coordinates=pixels).log_density(w)
    difference = density - torch.stack(expected)
    torch.testing.assert_close(difference, difference[:1].expand(4), rtol=0, atol=1e-4)


def test_a_picture_has_its_known_bytes_and_the_hidden_ones_of_its_latent(model, image, known):
    w = model.prior.to_normal(model.encode(midpoints(image).double()[None]))
    augmented = augmented_target(model, image, known, sigma=0.3, coordinates=pixels)
    assert torch.equal(augmented.to_image(w)[0], image)
    drawn = augmented.to_image(0 * w)[0]
    assert torch.equal(drawn[known], image[known])
    assert not torch.equal(drawn[~known], image[~known])


def test_where_the_latent_is_the_image_the_weight_is_that_of_agreement(model, image, known):
    """Both pictures are one there, and what is known agrees: what is left is N's constant on the model's support."""
    low, high = (0, 1) if model.support == "unit" else (-torch.inf, torch.inf)
    x_known, noise = midpoints(image).double()[known], torch.distributions.Normal(0, 0.3)
    share = noise.cdf(high - x_known) - noise.cdf(low - x_known)
    constant = (share * math.sqrt(2 * math.pi) * 0.3).log().sum().item()
    w = model.prior.to_normal(model.encode(midpoints(image).double()[None]))
    augmented = augmented_target(model, image, known, sigma=0.3, coordinates=pixels)
    assert augmented.log_likelihood(w).item() == pytest.approx(-constant, abs=1e-3)


def explored(gaussian, sigma):
    return augmented_target(
        gaussian.model, gaussian.image, gaussian.known.expand(1, 2, 3), sigma=sigma, coordinates=LOGIT
    )


def stand_ins(gaussian, sigma):
    """The law of what stands in for the known pixels, in logits v: N(v; c, sigma^2) sigmoid'(v), on a grid.

    (2, grid) points and probabilities; it is independent of the hidden pixels.
    """
    known = gaussian.known.flatten()
    c = torch.logit(midpoints(gaussian.image).double()).flatten()[known]
    v = torch.linspace(-8 * sigma - 10, 8 * sigma + 10, 40_001, dtype=DOUBLE).expand(2, -1)
    weight = -0.5 * ((v - c[:, None]) / sigma).square() + torch.nn.functional.logsigmoid(v)
    return v, torch.softmax(weight + torch.nn.functional.logsigmoid(-v), 1)


def exact_law(gaussian, sigma):
    """Mean and covariance of the six logits, hidden and stood in for."""
    known, (v, probability) = gaussian.known.flatten(), stand_ins(gaussian, sigma)
    mean, covariance = torch.zeros(6, dtype=DOUBLE), torch.zeros(6, 6, dtype=DOUBLE)
    mean[~known], mean[known] = gaussian.mean, (probability * v).sum(1)
    variance = (probability * v.square()).sum(1) - mean[known].square()
    hidden, shown = (~known).nonzero()[:, 0], known.nonzero()[:, 0]
    covariance[hidden[:, None], hidden], covariance[shown, shown] = gaussian.covariance, variance
    return mean, covariance


def exact_draws(gaussian, sigma, num, generator):
    """Latents that follow the augmented target, with no chain: logits of their pixels are drawn, and encoded."""
    known, (v, probability) = gaussian.known.flatten(), stand_ins(gaussian, sigma)
    logits = torch.empty(num, 6, dtype=DOUBLE)
    noise = torch.randn(num, 4, dtype=DOUBLE, generator=generator)
    logits[:, ~known] = gaussian.mean + noise @ torch.linalg.cholesky(gaussian.covariance).T
    drawn = torch.multinomial(probability, num, replacement=True, generator=generator)
    logits[:, known] = v.gather(1, drawn).T
    return gaussian.model.prior.to_normal(gaussian.model.encode(torch.sigmoid(logits).view(-1, *gaussian.image.shape)))


def run(target, kernel, w, num_warmup, num_steps, generator):
    state = kernel.init(target, w)
    for step in range(num_warmup + num_steps):
        state, _ = kernel.step(target, state, generator, warmup=step < num_warmup)
    return state.position


@torch.no_grad()
def logits_of(gaussian, w):
    return torch.logit(gaussian.model.decode(gaussian.model.prior.from_normal(w))).flatten(1)


def check(u, mean, covariance):
    """Means within 4 standard errors; covariances within 5 %, or 4 of their standard errors where that is more."""
    scale = covariance.diagonal().sqrt()
    assert ((u.mean(0) - mean) / scale).abs().max() * math.sqrt(len(u)) < 4
    error = (torch.cov(u.T) - covariance) / torch.outer(scale, scale)
    assert error.abs().max() < max(0.05, 4 * math.sqrt(2 / len(u)))


def stays(gaussian, kernel, sigma, num_chains, num_steps, change=lambda target, model: target):
    """Exact draws must still be exact after a chain has moved them, however slowly it forgets."""
    generator = torch.Generator().manual_seed(3)
    before = exact_draws(gaussian, sigma, num_chains, generator)
    after = run(change(explored(gaussian, sigma), gaussian.model), kernel, before, 0, num_steps, generator)
    assert (after != before).any(1).double().mean() > 0.9
    check(logits_of(gaussian, after), *exact_law(gaussian, sigma))


def converges(gaussian, kernel, sigma, num_chains, num_steps):
    """From draws of the prior to the posterior of the hidden pixels."""
    generator, hidden = torch.Generator().manual_seed(7), ~gaussian.known.flatten()
    start = torch.randn(num_chains, 6, dtype=DOUBLE, generator=generator)
    after = run(explored(gaussian, sigma), kernel, start, 200, num_steps, generator)
    check(logits_of(gaussian, after)[:, hidden], gaussian.mean, gaussian.covariance)


KERNELS = [PCN(step_size=0.4), PLMCMC(step_size=0.4)]
# A stand-in far wider than the reference is forgotten too slowly to be reached: exact all the same, as draws stay so.
SIGMAS, QUICK_SIGMAS = (0.3, 1.0, 3.0), (0.3, 1.0)


@pytest.mark.parametrize("sigma", SIGMAS)
@pytest.mark.parametrize("kernel", KERNELS, ids=["pcn", "pl_mcmc"])
def test_draws_of_the_posterior_stay_so_for_every_sigma(central, kernel, sigma):
    stays(central, kernel, sigma, 3_000, 300)


@pytest.mark.parametrize("sigma", QUICK_SIGMAS)
def test_the_posterior_is_reached(central, sigma):
    converges(central, PLMCMC(step_size=0.4), sigma, 3_000, 800)


@pytest.mark.slow
@pytest.mark.parametrize("sigma", SIGMAS)
@pytest.mark.parametrize("kernel", KERNELS, ids=["pcn", "pl_mcmc"])
def test_16000_draws_of_the_posterior_stay_so_for_every_sigma(central, kernel, sigma):
    stays(central, kernel, sigma, 16_000, 1000)


@pytest.mark.slow
@pytest.mark.parametrize("sigma", QUICK_SIGMAS)
@pytest.mark.parametrize("kernel", KERNELS, ids=["pcn", "pl_mcmc"])
def test_the_posterior_is_reached_with_16000_effective_samples(central, kernel, sigma):
    converges(central, kernel, sigma, 16_000, 800)


def without_determinant(target, model):
    """The wrong weight, which forgets that the flow changes volume: log|det dG/dw| = log N(w; 0, I) - log p(G(w))."""

    def log_likelihood(w):
        x = model.decode(model.prior.from_normal(w))
        return target.log_likelihood(w) - target.reference.log_prob(w) + model.log_prob(x)

    return dataclasses.replace(target, log_likelihood=log_likelihood)


@pytest.mark.parametrize("sigma", SIGMAS)
def test_without_the_determinant_draws_of_the_posterior_do_not_stay(central, sigma):
    with pytest.raises(AssertionError):
        stays(central, PLMCMC(step_size=0.4), sigma, 3_000, 300, without_determinant)


WIDE = 3.0


def annealed(gaussian, kernel, num_chains, num_warmup, num_steps):
    """Frames of chains that begin with a sigma of 3 and draw with one of 0.5, and what targets they pass through."""
    generator = torch.Generator().manual_seed(7)
    start = torch.randn(num_chains, 6, dtype=DOUBLE, generator=generator)
    through = annealing.narrowing(lambda times: explored(gaussian, 0.5 * times), WIDE / 0.5)
    frames = inpaint(
        explored(gaussian, 0.5), kernel, start, num_warmup + num_steps,
        num_warmup=num_warmup, generator=generator, through=through,
    )  # fmt: skip
    return frames, through


@pytest.mark.parametrize("kernel", [*KERNELS, Independence()], ids=["pcn", "pl_mcmc", "independence"])
def test_after_an_annealed_warm_up_the_posterior_is_reached_with_the_last_sigma(central, kernel):
    """Of all six logits: what stands in for the known ones tells one sigma from another."""
    *_, last = annealed(central, kernel, 2_000, 100, 300)[0]
    check(logits_of(central, last.position), *exact_law(central, 0.5))


def test_a_target_that_goes_on_changing_does_not_reach_it(central, monkeypatch):
    module = importlib.import_module("flowgen.inference.inpaint")  # whose name in the package is the function
    monkeypatch.setattr(module, "due", lambda step, num_warmup, through, target: [target, through[-1]][step % 2])
    *_, last = annealed(central, PLMCMC(step_size=0.4), 2_000, 100, 300)[0]
    with pytest.raises(AssertionError):
        check(logits_of(central, last.position), *exact_law(central, 0.5))


@pytest.mark.parametrize("kernel", [*KERNELS, Independence()], ids=["pcn", "pl_mcmc", "independence"])
def test_sigma_narrows_in_warm_up_and_is_frozen_with_the_step_sizes(central, kernel):
    frames, through = annealed(central, kernel, 4, 14, 10)
    at_last = explored(central, 0.5)
    narrower = [explored(central, WIDE * (0.5 / WIDE) ** (k / 5)) for k in range(5)]
    assert len(through) == 5
    for frame in frames:  # 14 steps among 6 targets
        expected = at_last if frame.step > 12 else narrower[(frame.step - 1) * 6 // 14]
        torch.testing.assert_close(frame.log_density, expected.log_density(frame.position))
        assert frame.warming_up == (frame.step <= 14)


def test_step_sizes_are_learnt_throughout(central):
    """From far too long a step, six targets in turn: a sigma that narrows does not begin it anew."""
    kernel, target = PCN(step_size=1.0), explored(central, 0.5)
    state = kernel.init(explored(central, WIDE), torch.zeros(3, 6, dtype=DOUBLE))
    state, _ = kernel.step(explored(central, WIDE), state, torch.Generator().manual_seed(0), warmup=True)
    carried = annealing.carried(kernel, target, state)
    assert carried.step_sizes is state.step_sizes
    assert carried.step_sizes.age.tolist() == [1, 1, 1]
    assert torch.equal(carried.position, state.position)
    torch.testing.assert_close(carried.log_density, target.log_density(state.position))
    torch.testing.assert_close(carried.log_likelihood, target.log_likelihood(state.position))


@pytest.mark.parametrize("method", ["pcn", "pl_mcmc", "independence"])
def test_a_run_is_annealed_as_far_as_it_is_asked(model, image, known, method):
    """Eight steps, of which four search and two are warm-up: the first of them is on the widest sigma."""
    runs = [
        list(complete(model, image, known[0], method=method, steps=8, num=2, options={"anneal": anneal}))
        for anneal in (1.0, 4.0)
    ]
    search = Search(model, image, known)
    for frame in runs[1][4:6]:
        times = 4.0 ** (1 - (frame.step - 5) * 3 / 5)  # two steps among six targets: the first and the fourth
        torch.testing.assert_close(frame.log_density, search.widened(times).log_density(frame.position))
    for frame in runs[1][6:]:
        torch.testing.assert_close(frame.log_density, search.augmented.log_density(frame.position))
    assert not torch.equal(runs[0][4].log_density, runs[1][4].log_density)
