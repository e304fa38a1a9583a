"""Simulation-based calibration: what is drawn from a model and hidden must rank among the draws given the rest as any.

    x ~ p,   u_1, ..., u_31 ~ p(hidden | x_known):   the rank of a statistic of x among theirs is uniform on 0, ..., 31

It holds for the model, whatever it has learnt, and from end to end: the flow's density and inverse, the target, the
kernel and its warm-up. All draws run as one batch of chains, each with known pixels of its own.

References:
    Validating Bayesian Inference Algorithms with Simulation-Based Calibration (Talts et al., 2018), arXiv:1804.06788
    Unit Testing for MCMC and other Monte Carlo Methods (Gandy & Scott, 2020), arXiv:2001.06465
"""

from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor
from torch.nn import functional as F

from flowgen.inference import augmented_target, pixel_target, target
from flowgen.inference.kernels import HMC, MALA, PCN, PLMCMC, Langevin, ParallelTempering, langevin
from flowgen.inference.target import latent_target
from flowgen.models import FLOWS

DOUBLE = torch.float64
SHAPE = (1, 2, 4)
NUM_DRAWS, NUM_SAMPLES, NUM_BINS = 512, 31, 16
SIGMA = 1.0
KNOWN = torch.tensor([[1, 0, 0, 1], [1, 0, 0, 1]], dtype=torch.bool)[None]
HIDDEN = (~KNOWN).flatten()


@dataclass(frozen=True)
class Run:
    """How a kernel is run: in warm-up, then num_thin steps before each of 31 samples."""

    kernel: Any
    num_warmup: int
    num_thin: int


RUNS = {
    "mala": Run(MALA(step_size=0.1), 200, 15),
    "hmc": Run(HMC(step_size=0.1, num_leapfrog=6), 60, 3),
    "parallel_tempering": Run(ParallelTempering(step_size=0.1, num_temperatures=3, hottest=0.5), 200, 15),
    "pcn": Run(PCN(), 800, 60),
    "pl_mcmc": Run(PLMCMC(leaps=0.2), 800, 60),
}


@pytest.fixture(scope="module")
def model(mnist):
    """A Glow that changes volumes, after 300 steps on digits of 2 x 4 pixels."""
    levels = F.avg_pool2d(mnist.levels[:, :, 4:24, 4:24].float(), (10, 5)).byte()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = FLOWS["glow"](scales=1, depth=2, hidden=12, mixture=0).build(SHAPE)
        model.initialize((levels + torch.rand(levels.shape)) / 256)
        adam = torch.optim.Adam(model.parameters(), lr=3e-3)
        for _ in range(300):
            batch = levels[torch.randint(len(levels), (64,))]
            adam.zero_grad()
            (-model.bound(batch, torch.rand(batch.shape)).mean()).backward()
            adam.step()
    return model.double().frozen()


def drawn(model, num, seed):
    """Whole pictures by the model, with no byte in between."""
    return model.sample(num, generator=torch.Generator().manual_seed(seed)).clamp(1e-12, 1 - 1e-12)


def statistics(model, x):
    """Ten of the hidden pixels' log-odds, (b, 1, 2, 4) -> (b, 10): each, products, mean, spread, log p."""
    u = torch.logit(x.flatten(1)[:, HIDDEN])
    products = torch.stack([u[:, 0] * u[:, 3], u[:, 1] * u[:, 2], u[:, 0] * u[:, 1]], 1)
    summaries = torch.stack([u.mean(1), u.std(1), model.log_prob(x)], 1)
    return torch.cat([u, products, summaries], 1)


@dataclass(frozen=True)
class Problem:
    """A target with known pixels of each chain's own, how to read its unknowns, and where the truth is in them."""

    target: Any
    whole: Any
    truth: Tensor


def pixels(monkeypatch, model, x, rows=1):
    """The hidden pixels of (chains, 1, 4, 4), each chain being so many rows in a kernel's batch."""
    canvas = x.flatten(1).repeat_interleave(rows, 0)
    with monkeypatch.context() as patch:
        patch.setattr(target, "midpoints", lambda levels, num: canvas)
        made = pixel_target(model, torch.zeros(SHAPE, dtype=torch.uint8), KNOWN)

    def whole(u):
        return x.flatten(1).masked_scatter(HIDDEN.expand(len(x), -1), torch.sigmoid(u)).view(x.shape)

    return Problem(made, whole, torch.logit(x.flatten(1)[:, HIDDEN]))


def latents(monkeypatch, model, x, make=augmented_target):
    """The latent, with what is known compared in log-odds."""
    with monkeypatch.context() as patch:
        patch.setattr(target, "midpoints", lambda levels, num: x)
        made = make(model, torch.zeros(SHAPE, dtype=torch.uint8), KNOWN, sigma=SIGMA, coordinates=safe_logit)

    def decode(w):
        return model.decode(model.prior.from_normal(w)).clamp(1e-12, 1 - 1e-12)

    if make is latent_target:
        return Problem(made, decode, model.prior.to_normal(model.encode(x)))
    truth = model.prior.to_normal(model.encode(torch.where(KNOWN, torch.sigmoid(stand_ins(x)), x)))
    return Problem(made, lambda w: torch.where(KNOWN, x, decode(w)), truth)


def stand_ins(x):
    """Log-odds v for every pixel of x from N(v; logit x, sigma^2) sigmoid'(v), on a fine grid."""
    steps = torch.linspace(-8, 8, 4001, dtype=DOUBLE)
    v = safe_logit(x).reshape(-1, 1) + SIGMA * steps
    weight = torch.exp(-0.5 * steps.square() + F.logsigmoid(v) + F.logsigmoid(-v))
    chosen = torch.multinomial(weight, 1, generator=torch.Generator().manual_seed(5))
    return v.gather(1, chosen).view(x.shape)


def safe_logit(x):
    return torch.logit(x.clamp(1e-12, 1 - 1e-12))


def problem(monkeypatch, model, name, x):
    if name in ("pcn", "pl_mcmc"):
        return latents(monkeypatch, model, x)
    return pixels(monkeypatch, model, x, RUNS[name].kernel.num_temperatures if name == "parallel_tempering" else 1)


def beginning(model, posed, num):
    """Where chains start: at another draw of the model, hidden pixels or latent."""
    if posed.target.space.dim == int(HIDDEN.sum()):
        return torch.logit(drawn(model, num, 2).flatten(1)[:, HIDDEN])
    return torch.randn(num, posed.target.space.dim, dtype=DOUBLE, generator=torch.Generator().manual_seed(2))


@torch.no_grad()
def ranks(model, posed, run, x):
    """(chains, 10): how many of 31 samples have a smaller statistic than the truth."""
    generator, below = torch.Generator().manual_seed(3), 0
    state, true = run.kernel.init(posed.target, beginning(model, posed, len(x))), statistics(model, x)
    for step in range(run.num_warmup + NUM_SAMPLES * run.num_thin):
        state, _ = run.kernel.step(posed.target, state, generator, warmup=step < run.num_warmup)
        if step >= run.num_warmup and (step - run.num_warmup + 1) % run.num_thin == 0:
            below = below + (statistics(model, posed.whole(state.position)) < true).long()
    return below


def uniform(ranks):
    """The chi-square p-value of each column of ranks, in 16 bins of two."""
    counts = torch.stack([torch.bincount(column // 2, minlength=NUM_BINS) for column in ranks.T])
    return torch.tensor([chisquare(row.numpy()).pvalue for row in counts])


def calibrated(p):
    return (p > 0.01).sum() >= 9


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_what_was_hidden_ranks_as_any_draw_given_the_rest(model, monkeypatch, name):
    x = drawn(model, NUM_DRAWS, 1)
    p = uniform(ranks(model, problem(monkeypatch, model, name, x), RUNS[name], x))
    assert calibrated(p), p


@pytest.mark.slow
def test_so_does_a_picture_that_is_seen_through_noise(model, monkeypatch):
    """The noisy latent target: its truth is a whole picture, of which all but the hidden pixels are seen with noise."""
    x = drawn(model, NUM_DRAWS, 1)
    noise = torch.randn(x.shape, dtype=DOUBLE, generator=torch.Generator().manual_seed(4))
    posed = latents(monkeypatch, model, torch.sigmoid(safe_logit(x) + SIGMA * noise), latent_target)
    p = uniform(ranks(model, posed, RUNS["pcn"], x))
    assert calibrated(p), p


@torch.no_grad()
def exact_ranks(model, posed, kernel, x, num_thin):
    """(chains, 10): the rank of the truth in a chain of 32 that goes through it, at a place drawn at random.

    A reversible kernel that leaves the posterior as it is takes it as well backwards as forwards, so that the truth is
    any of the 32, however slowly they change; ranks of what is equal are drawn.
    """
    generator = torch.Generator().manual_seed(6)
    true, place = statistics(model, x), torch.randint(NUM_SAMPLES + 1, (len(x),), generator=generator)
    below, equal = torch.zeros_like(true), torch.zeros_like(true)
    for count in (place, NUM_SAMPLES - place):
        state = kernel.init(posed.target, posed.truth)
        for sample in range(NUM_SAMPLES):
            for _ in range(num_thin):
                state, _ = kernel.step(posed.target, state, generator)
            seen, counted = statistics(model, posed.whole(state.position)), (sample < count)[:, None]
            same = (seen - true).abs() < 1e-9
            below, equal = below + (counted & ~same & (seen < true)), equal + (counted & same)
    return (below + (torch.rand(true.shape, generator=generator) * (equal + 1)).floor()).long()


REVERSIBLE = {
    "mala": MALA(step_size=0.3),
    "hmc": HMC(step_size=0.3, num_leapfrog=4),
    "pcn": PCN(step_size=0.3),
    "pl_mcmc": PLMCMC(step_size=0.3),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", REVERSIBLE)
def test_the_truth_ranks_as_any_of_a_chain_through_it(model, monkeypatch, name):
    x = drawn(model, NUM_DRAWS, 1)
    p = uniform(exact_ranks(model, problem(monkeypatch, model, name, x), REVERSIBLE[name], x, 3))
    assert calibrated(p), p


def faint(u, gradient, step_size, temperature, noise):
    """Langevin's update with noise of the gradient's own scale, as NICE has it."""
    return u + 0.5 * step_size * (gradient + noise)


def without_determinant(posed, model):
    """The augmented target by a weight that forgets that the flow changes volumes."""

    def log_likelihood(w):
        decoded = model.decode(model.prior.from_normal(w))
        return posed.target.log_likelihood(w) - posed.target.reference.log_prob(w) + model.log_prob(decoded)

    return replace(posed, target=replace(posed.target, log_likelihood=log_likelihood))


@pytest.mark.slow
def test_langevin_without_its_noise_factor_fails_both(model, monkeypatch):
    x, kernel = drawn(model, NUM_DRAWS, 1), Langevin(step_size=0.1)
    posed = pixels(monkeypatch, model, x)
    monkeypatch.setattr(langevin, "langevin_update", faint)
    assert not calibrated(uniform(ranks(model, posed, Run(kernel, 100, 5), x)))
    assert not calibrated(uniform(exact_ranks(model, posed, kernel, x, 3)))


@pytest.mark.slow
def test_pl_mcmc_without_the_determinant_fails_both(model, monkeypatch):
    x = drawn(model, NUM_DRAWS, 1)
    posed = without_determinant(latents(monkeypatch, model, x), model)
    assert not calibrated(uniform(ranks(model, posed, Run(PLMCMC(leaps=0.2), 400, 20), x)))
    assert not calibrated(uniform(exact_ranks(model, posed, PLMCMC(step_size=0.3), x, 10)))
