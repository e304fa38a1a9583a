"""Proofs that kernels with an accept-reject step are exact, and that the proofs can fail."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from flowgen.density import StandardLogistic
from flowgen.errors import FlowgenError
from flowgen.inference.chains import ChainGenerators, normal_like, uniform_like
from flowgen.inference.kernels import (
    HMC,
    KERNELS,
    MALA,
    PCN,
    PLMCMC,
    SMC,
    Independence,
    Metropolis,
    ParallelTempering,
    hmc,
    mala,
    metropolis,
    prior_moves,
)
from flowgen.inference.kernels.step_sizes import StepSizes
from flowgen.inference.target import Reals, Target, pixel_target

DOUBLE = torch.float64
ADAPTIVE = [name for name, kernel in KERNELS.items() if hasattr(kernel(), "target_acceptance")]


@dataclass(frozen=True)
class Proof:
    """How a kernel is run to a posterior in four dimensions: in warm-up, then until where it was is forgotten."""

    kernel: Any
    num_warmup: int
    num_steps: int


PROOFS = {
    "mala": Proof(MALA(step_size=0.1), 100, 150),
    "hmc": Proof(HMC(step_size=0.1, num_leapfrog=5), 60, 40),
    "metropolis": Proof(Metropolis(step_size=0.5), 150, 250),
    "pcn": Proof(PCN(), 150, 250),
    "independence": Proof(Independence(), 0, 1200),
    "pl_mcmc": Proof(PLMCMC(), 150, 300),
    "parallel_tempering": Proof(ParallelTempering(step_size=0.1, hottest=0.3), 80, 60),
    "smc": Proof(SMC(moves="mala", num_particles=16, num_moves=2), 20, 60),
}


def draws(proof: Proof, target: Target, num_chains: int) -> Tensor:
    """Where independent chains end that began far from the mode: as many effective samples as there are chains."""
    generator = torch.Generator().manual_seed(5)
    start = 2 * torch.randn(num_chains, target.space.dim, dtype=DOUBLE, generator=generator)
    state = proof.kernel.init(target, start)
    for step in range(proof.num_warmup + proof.num_steps):
        state, _ = proof.kernel.step(target, state, generator, warmup=step < proof.num_warmup)
    return state.position


def errors(u: Tensor, mean: Tensor, covariance: Tensor) -> tuple[float, float]:
    """The worst error of a mean, in standard errors, and of a covariance, in sqrt(S_ii S_jj)."""
    scale = covariance.diagonal().sqrt()
    off = (u.mean(0) - mean) / scale * math.sqrt(len(u))
    spread = (torch.cov(u.T) - covariance) / torch.outer(scale, scale)
    return off.abs().max().item(), spread.abs().max().item()


def check(u: Tensor, mean: Tensor, covariance: Tensor) -> None:
    """Means within 4 standard errors; covariances within 5 %, or 4 of their standard errors where that is more."""
    off, spread = errors(u, mean, covariance)
    assert off < 4
    assert spread < max(0.05, 4 * math.sqrt(2 / len(u)))


def posterior(gaussian: Any) -> Target:
    return pixel_target(gaussian.model, gaussian.image, gaussian.known.expand(1, 2, 3))


@pytest.mark.parametrize("name", PROOFS)
def test_an_exact_kernel_reaches_the_posterior(gaussian, name):
    check(draws(PROOFS[name], posterior(gaussian), 3_000), gaussian.mean, gaussian.covariance)


@pytest.mark.slow
@pytest.mark.parametrize("name", PROOFS)
def test_an_exact_kernel_reaches_the_posterior_with_16000_effective_samples(gaussian, name):
    """Four standard errors of a covariance are then 4.5 % at most."""
    check(draws(PROOFS[name], posterior(gaussian), 16_000), gaussian.mean, gaussian.covariance)


def accept_all(log_ratio, finite, generator):
    return finite, torch.ones_like(log_ratio)


WRONG: dict[str, tuple[str, Any, str, Callable[..., Any]]] = {
    "mala without the proposals' ratio": ("mala", mala, "_log_move", lambda start, end, eps: torch.zeros(())),
    "mala without rejection": ("mala", mala, "decide", accept_all),
    "hmc without the kinetic energy": ("hmc", hmc, "_energy", lambda state, momentum: -state.log_density),
    "metropolis without rejection": ("metropolis", metropolis, "decide", accept_all),
    "pcn without rejection": ("pcn", prior_moves, "decide", accept_all),
    "independence without rejection": ("independence", prior_moves, "decide", accept_all),
    "pl_mcmc without rejection": ("pl_mcmc", prior_moves, "decide", accept_all),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_kernel_does_not(gaussian, monkeypatch, wrong):
    name, module, piece, instead = WRONG[wrong]
    monkeypatch.setattr(module, piece, instead)
    with pytest.raises(AssertionError):
        check(draws(PROOFS[name], posterior(gaussian), 3_000), gaussian.mean, gaussian.covariance)


def banana() -> Target:
    """u_0 ~ N(0.3, 1.2^2) and u_1 ~ N(0.4 u_0^2, 0.8^2): bent, lopsided, and easy to draw from."""

    def log_likelihood(u: Tensor) -> Tensor:
        density = -0.5 * ((u[:, 0] - 0.3) / 1.2).square() - 0.5 * ((u[:, 1] - 0.4 * u[:, 0].square()) / 0.8).square()
        return density - reference.log_prob(u)

    reference = StandardLogistic((2,)).double()
    return Target(log_likelihood, reference, Reals(2), lambda u: u)


def from_banana(num: int) -> Tensor:
    noise = torch.randn(num, 2, dtype=DOUBLE, generator=torch.Generator().manual_seed(8))
    first = 0.3 + 1.2 * noise[:, 0]
    return torch.stack([first, 0.4 * first.square() + 0.8 * noise[:, 1]], 1)


def imbalance(kernel: Any) -> float:
    """Detailed balance: where u is the target's, (u, u') and (u', u) are alike; the worst z-score against that.

    E f(u) g(u') = E g(u) f(u') for f, g among 1, u_0, u_1, u_0^2, u_0 u_1, u_1^2; with g = 1 it says that u' is the
    target's as well. A single step of 60,000 chains, and so 15 differences with independent terms.
    """
    target, u = banana(), from_banana(60_000)
    state, _ = kernel.step(target, kernel.init(target, u), torch.Generator().manual_seed(9))
    assert not torch.equal(state.position, u)

    def functions(u: Tensor) -> Tensor:
        one = torch.ones_like(u[:, 0])
        return torch.stack([one, u[:, 0], u[:, 1], u[:, 0] ** 2, u[:, 0] * u[:, 1], u[:, 1] ** 2], 1)

    before, after = functions(u), functions(state.position)
    i, j = torch.triu_indices(6, 6, 1)
    difference = before[:, i] * after[:, j] - before[:, j] * after[:, i]
    return (difference.mean(0) / difference.std(0) * math.sqrt(len(u))).abs().max().item()


BALANCED = {
    "mala": MALA(step_size=0.8),
    "hmc": HMC(step_size=0.5, num_leapfrog=3),
    "metropolis": Metropolis(step_size=1.0),
    "pcn": PCN(step_size=0.5),
    "independence": Independence(),
    "pl_mcmc": PLMCMC(step_size=0.5, leaps=0.3),
}


@pytest.mark.parametrize("name", [*ADAPTIVE, "independence"])
def test_a_step_is_in_detailed_balance(name):
    assert imbalance(BALANCED[name]) < 4


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_step_is_not(monkeypatch, wrong):
    name, module, piece, instead = WRONG[wrong]
    monkeypatch.setattr(module, piece, instead)
    assert imbalance(BALANCED[name]) > 6


def gaussian_target(dim: int = 2) -> tuple[Target, Tensor, Tensor]:
    """A Gaussian with correlation 0.6 between neighbours, its mean and its precision."""
    where = torch.arange(dim, dtype=DOUBLE)
    covariance = 0.6 ** (where[:, None] - where[None]).abs()
    mean, precision = 0.5 - where / dim, covariance.inverse()
    reference = StandardLogistic((dim,)).double()

    def log_likelihood(u: Tensor) -> Tensor:
        off = u - mean
        return -0.5 * torch.einsum("bi,ij,bj->b", off, precision, off) - reference.log_prob(u)

    return Target(log_likelihood, reference, Reals(dim), lambda u: u), mean, precision


def log_normal(u: Tensor, mean: Tensor, precision: Tensor) -> Tensor:
    return torch.distributions.MultivariateNormal(mean, precision_matrix=precision).log_prob(u)


def proposals(kernel: Any, target: Target, u: Tensor, generator: Any) -> tuple[Tensor, Tensor]:
    """What a step looked at last, which is its proposal, and with what probability it says that it took it."""
    seen: list[Tensor] = []

    def log_likelihood(u: Tensor) -> Tensor:
        seen.append(u.detach())
        return target.log_likelihood(u)

    watched = replace(target, log_likelihood=log_likelihood)
    _, info = kernel.step(watched, kernel.init(watched, u), generator)
    return seen[-1], info.acceptance


@pytest.mark.parametrize("name", ["mala", "metropolis"])
def test_acceptance_is_hastings_ratio_of_a_gaussian(name):
    """By torch's own normal densities of the target, of the proposal and of the way back."""
    target, mean, precision = gaussian_target()
    u = torch.randn(500, 2, dtype=DOUBLE, generator=torch.Generator().manual_seed(3))
    proposed, acceptance = proposals(KERNELS[name](step_size=0.7), target, u, torch.Generator().manual_seed(4))

    def log_move(start: Tensor, end: Tensor) -> Tensor:
        drift = start - 0.35 * (start - mean) @ precision if name == "mala" else start
        variance = 0.7 if name == "mala" else 0.7**2
        return log_normal(end, drift, torch.eye(2, dtype=DOUBLE) / variance)

    log_ratio = log_normal(proposed, mean, precision) - log_normal(u, mean, precision)
    log_ratio = log_ratio + log_move(proposed, u) - log_move(u, proposed)
    torch.testing.assert_close(acceptance, log_ratio.exp().clamp(max=1))
    assert acceptance.min() < 0.2
    assert (acceptance == 1).any()


def test_hmc_follows_the_leapfrog_and_accepts_by_the_energy():
    """The integrator of the textbook, with the Gaussian's own gradient and the same randomness."""
    target, mean, precision = gaussian_target()
    u = torch.randn(500, 2, dtype=DOUBLE, generator=torch.Generator().manual_seed(3))
    proposed, acceptance = proposals(HMC(step_size=0.9, num_leapfrog=4), target, u, ChainGenerators(6, range(500)))
    same = ChainGenerators(6, range(500))
    eps = 0.9 * (0.8 + 0.4 * uniform_like(u[:, 0], same))[:, None]
    p = normal_like(u, same)
    energy = 0.5 * p.square().sum(1) - log_normal(u, mean, precision)
    for _ in range(4):
        p = p - 0.5 * eps * (u - mean) @ precision
        u = u + eps * p
        p = p - 0.5 * eps * (u - mean) @ precision
    after = 0.5 * p.square().sum(1) - log_normal(u, mean, precision)
    torch.testing.assert_close(proposed, u)
    torch.testing.assert_close(acceptance, (energy - after).exp().clamp(max=1))
    assert acceptance.min() < 0.7


def test_what_is_accepted_moves_and_what_is_not_stays():
    """With a uniform number a chain of its own: over 20,000 chains the share that moved is the probability's mean."""
    target, _, _ = gaussian_target()
    u = torch.randn(20_000, 2, dtype=DOUBLE, generator=torch.Generator().manual_seed(3))
    kernel = Metropolis(step_size=1.5)
    before = kernel.init(target, u)
    state, info = kernel.step(target, before, torch.Generator().manual_seed(1))
    moved = (state.position != u).all(1)
    assert torch.equal(moved, (state.position != u).any(1))
    assert moved.double().mean().item() == pytest.approx(info.acceptance.mean().item(), abs=0.014)
    torch.testing.assert_close(state.log_density, target.log_density(state.position))


@pytest.mark.parametrize("name", ADAPTIVE)
@pytest.mark.parametrize("step_size", [1e-4, 0.9])
def test_warm_up_finds_the_wanted_acceptance_and_freezes(name, step_size):
    """In ten dimensions, from far too short and from too long; then 400 steps of 24 chains with what was found.

    The second half of warm-up must accept what is wanted. What is kept is the mean of log eps, about which acceptance
    is curved: it comes out somewhat higher for HMC and MALA and lower for a random walk, less so after a longer one.
    """
    target, mean, _ = gaussian_target(10)
    options = {"hmc": {"num_leapfrog": 3}, "pl_mcmc": {"leaps": 0.0}}.get(name, {})  # a leap is not what is tuned
    kernel, generator = KERNELS[name](step_size=step_size, **options), torch.Generator().manual_seed(2)
    state = kernel.init(target, mean + torch.randn(24, 10, dtype=DOUBLE, generator=generator))
    found, accepted = None, []
    for step in range(1000):
        state, info = kernel.step(target, state, generator, warmup=step < 600)
        found = state.step_sizes if step == 599 else found
        accepted.append(info.acceptance)
    assert state.step_sizes is found
    assert found.sizes(warmup=False).unique().numel() == 24
    assert torch.stack(accepted[300:600]).mean().item() == pytest.approx(kernel.target_acceptance, abs=0.02)
    frozen = torch.stack(accepted[600:]).mean(0)
    assert kernel.target_acceptance - 0.04 < frozen.mean() < kernel.target_acceptance + 0.09
    assert (frozen - kernel.target_acceptance).abs().max() < 0.15


@pytest.mark.parametrize("name", ADAPTIVE)
def test_without_warm_up_the_step_size_is_as_given(name):
    target, mean, _ = gaussian_target()
    kernel = KERNELS[name](step_size=0.123)
    state = kernel.init(target, mean.expand(3, 2))
    after, _ = kernel.step(target, state, torch.Generator().manual_seed(0))
    assert after.step_sizes is state.step_sizes
    torch.testing.assert_close(after.step_sizes.sizes(warmup=False), torch.full((3, 1), 0.123, dtype=DOUBLE))


def test_dual_averaging_is_the_papers():
    """Its recursion written out for one chain, with t counted from 1."""
    rates = torch.rand(30, dtype=DOUBLE, generator=torch.Generator().manual_seed(0))
    sizes, shortfall, mean = StepSizes.start(0.05, rates[:1]), 0.0, 0.0
    for t, rate in enumerate(rates.tolist(), 1):
        sizes = sizes.learn(torch.tensor([rate], dtype=DOUBLE), 0.6, warmup=True)
        shortfall = (1 - 1 / (t + 10)) * shortfall + (0.6 - rate) / (t + 10)
        log_size = math.log(0.05) - math.sqrt(t) / 0.05 * shortfall
        mean = t**-0.75 * log_size + (1 - t**-0.75) * mean
        assert sizes.sizes(warmup=True).item() == pytest.approx(math.exp(log_size))
        assert sizes.sizes(warmup=False).item() == pytest.approx(math.exp(mean))


def test_a_chain_learns_from_steps_of_its_own_length_alone():
    """Of PL-MCMC's moves, those are the local ones: half of the chains leap at a time, and learn nothing by it."""
    sizes, rates = StepSizes.start(0.05, torch.zeros(2)), torch.tensor([1.0, 1.0])
    learnt = sizes.learn(rates, 0.3, warmup=True, heeded=torch.tensor([True, False]))
    assert learnt.age.tolist() == [1, 0]
    assert learnt.log_size[0] > sizes.log_size[0]
    assert learnt.log_size[1] == sizes.log_size[1]
    target, mean, _ = gaussian_target()
    state = PLMCMC(leaps=0.5).init(target, mean.expand(1000, 2))
    generator = torch.Generator().manual_seed(0)
    for _ in range(10):
        state, _ = PLMCMC(leaps=0.5).step(target, state, generator, warmup=True)
    assert state.step_sizes.age.mean().item() == pytest.approx(5, abs=0.2)


def test_pcn_accepts_all_where_the_reference_is_all():
    """In a thousand dimensions, at any length, where a random walk would be refused."""
    target = Target(lambda u: 0 * u.sum(1), StandardLogistic((1000,)).double(), Reals(1000), lambda u: u)
    state, generator = PCN(step_size=0.5).init(target, torch.zeros(4, 1000, dtype=DOUBLE)), torch.Generator()
    for _ in range(100):
        state, info = PCN(step_size=0.5).step(target, state, generator)
        assert (info.acceptance == 1).all()
    assert state.position.std().item() == pytest.approx(math.pi / math.sqrt(3), rel=0.06)


@pytest.mark.parametrize("name", ["pcn", "independence", "pl_mcmc"])
def test_without_a_reference_there_is_a_sentence(name):
    target = Target(lambda u: u.sum(1), None, Reals(3), lambda u: u)
    with pytest.raises(FlowgenError, match=r"reference, .* has none: choose Metropolis, MALA or HMC"):
        KERNELS[name]().init(target, torch.zeros(2, 3))


def test_step_sizes_stay_within_their_range():
    sizes = StepSizes.start(0.05, torch.zeros(2))
    for _ in range(2000):
        sizes = sizes.learn(torch.tensor([0.0, 1.0]), 0.6, warmup=True)
    torch.testing.assert_close(sizes.sizes(warmup=True)[:, 0], torch.tensor([1e-6, 10.0]))
