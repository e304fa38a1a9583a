"""Proofs that what goes from the reference to the target arrives and knows the evidence, and that they can fail."""

import dataclasses
import math

import pytest
import torch

from flowgen.density import StandardNormal
from flowgen.errors import FlowgenError
from flowgen.inference import complete
from flowgen.inference.chains import ChainGenerators
from flowgen.inference.kernels import KERNELS, SMC, Importance, ParallelTempering, importance, parallel_tempering, smc
from flowgen.inference.kernels.particles import effective_share, systematic
from flowgen.inference.kernels.tempering import MOVES, place, take, temper
from flowgen.inference.target import Reals, Target, augmented_target, pixel_target
from flowgen.models import FLOWS

DOUBLE = torch.float64
FROM_THE_REFERENCE = ("parallel_tempering", "smc", "importance")


def posterior(gaussian):
    return pixel_target(gaussian.model, gaussian.image, gaussian.known.expand(1, 2, 3))


def run(kernel, target, num_chains, num_warmup, num_steps, seed=5):
    generator = torch.Generator().manual_seed(seed)
    start = 2 * torch.randn(num_chains, target.space.dim, dtype=DOUBLE, generator=generator)
    state = kernel.init(target, start)
    for step in range(num_warmup + num_steps):
        state, info = kernel.step(target, state, generator, warmup=step < num_warmup)
    return state, info


def check(u, gaussian):
    """Means within 4 standard errors, covariances within 4 of theirs or 5 %, of as many draws as there are chains."""
    scale = gaussian.covariance.diagonal().sqrt()
    assert ((u.mean(0) - gaussian.mean) / scale).abs().max() * math.sqrt(len(u)) < 4
    error = (torch.cov(u.T) - gaussian.covariance) / torch.outer(scale, scale)
    assert error.abs().max() < max(0.05, 4 * math.sqrt(2 / len(u)))


def log_known(gaussian):
    """log p(known), exactly: the joint density over that of the hidden pixels given the known."""
    law = torch.distributions.MultivariateNormal(gaussian.mean, gaussian.covariance)
    return (posterior(gaussian).log_density(gaussian.mean[None]) - law.log_prob(gaussian.mean)).item()


def estimates(gaussian, name):
    """200 estimates of p(known), as shares of what it is."""
    if name == "smc":
        state, _ = run(
            SMC(moves="mala", num_particles=256, effective=0.7, num_moves=1), posterior(gaussian), 200, 15, 1
        )
        return (state.log_evidence - log_known(gaussian)).exp()
    state, _ = run(Importance(num_particles=256), posterior(gaussian), 200, 0, 16)
    return (state.log_weight - math.log(state.num_drawn) - log_known(gaussian)).exp()


def check_estimates(shares):
    error = shares.std() / math.sqrt(len(shares))
    assert error < 0.03
    assert abs(shares.mean() - 1) < 3 * error


@pytest.mark.parametrize("name", ["smc", "importance"])
def test_the_mean_of_200_estimates_is_the_probability_of_what_is_known(gaussian, name):
    check_estimates(estimates(gaussian, name))


def test_in_the_latent_space_it_is_the_same_probability(central):
    known = central.known.expand(1, 2, 3)
    for sigma in (0.3, 0.5):
        target = augmented_target(central.model, central.image, known, sigma=sigma, coordinates=torch.logit)
        state, _ = run(SMC(num_particles=128, effective=0.7, num_moves=2), target, 200, 40, 1)
        check_estimates((state.log_evidence - log_known(central)).exp())


def test_the_mean_of_the_logarithms_would_not_be(gaussian, monkeypatch):
    monkeypatch.setattr(smc, "log_mean_exp", lambda values: values.mean(-1))
    with pytest.raises(AssertionError):
        check_estimates(estimates(gaussian, "smc"))


def test_the_estimate_of_a_run_is_the_mean_of_its_chains(gaussian):
    state, info = run(SMC(), posterior(gaussian), 7, 10, 3)
    assert info.log_evidence.item() == pytest.approx(state.log_evidence.exp().mean().log().item())
    state, info = run(Importance(), posterior(gaussian), 7, 0, 3)
    each = state.log_weight.exp() / (3 * 16)
    assert info.log_evidence.item() == pytest.approx(each.mean().log().item())


def arrivals(gaussian):
    """Particles just when they are at the target, after no more moves than the way there takes."""
    state, _ = run(SMC(moves="mala", num_particles=128, effective=0.8, num_moves=1), posterior(gaussian), 1_000, 12, 1)
    assert (state.beta == 1).all()
    return state.position


def test_particles_arrive_as_draws_of_the_posterior(gaussian):
    check(arrivals(gaussian), gaussian)


def test_without_resampling_they_do_not(gaussian, monkeypatch):
    def stay(log_weights, generator):
        return torch.arange(log_weights.shape[1]).expand(log_weights.shape)

    monkeypatch.setattr(smc, "systematic", stay)
    with pytest.raises(AssertionError):
        check(arrivals(gaussian), gaussian)


WRONG_SWAPS = {"always": torch.ones_like, "the other way": lambda log_ratio: (-log_ratio).clamp_max(0).exp()}


@pytest.mark.parametrize("wrong", WRONG_SWAPS)
def test_a_wrong_swap_does_not_reach_the_posterior(gaussian, monkeypatch, wrong):
    """What the right one does is in test_exact_kernels.py."""
    monkeypatch.setattr(parallel_tempering, "_probability", WRONG_SWAPS[wrong])
    state, _ = run(ParallelTempering(step_size=0.1, hottest=0.3), posterior(gaussian), 1_000, 60, 60)
    with pytest.raises(AssertionError):
        check(state.position, gaussian)


def test_weighted_draws_are_of_the_posterior(central):
    check(run(Importance(num_particles=256), posterior(central), 1_500, 0, 6)[0].position, central)


@pytest.mark.slow
def test_16000_weighted_draws_are_of_the_posterior(central):
    check(run(Importance(num_particles=64), posterior(central), 16_000, 0, 32)[0].position, central)


def test_draws_that_are_not_weighted_do_not_reach_the_posterior(central, monkeypatch):
    def first(log_weights, generator):
        return torch.zeros(log_weights.shape, dtype=torch.int64)

    monkeypatch.setattr(importance, "systematic", first)
    with pytest.raises(AssertionError):
        check(run(Importance(num_particles=256), posterior(central), 500, 0, 6)[0].position, central)


def two_wells():
    """Wells at -1.5 and 1.5 of weights 1 to 3, far apart for steps of a well's width, under one broad hill."""

    def log_likelihood(u):
        wells = torch.stack([-0.5 * ((u + 1.5) / 0.1).square(), math.log(3) - 0.5 * ((u - 1.5) / 0.1).square()])
        return wells.logsumexp(0).sum(1)

    return Target(log_likelihood, StandardNormal((1,)).double(), Reals(1), lambda u: u)


def test_parallel_tempering_crosses_where_its_moves_alone_do_not():
    """All start in the left well; the reference is symmetric, so three of four belong in the other."""

    def share(kernel):
        target, generator = two_wells(), torch.Generator().manual_seed(0)
        state = kernel.init(target, torch.full((300, 1), -1.5, dtype=DOUBLE))
        for _ in range(600):
            state, _ = kernel.step(target, state, generator)
        return (state.position > 0).double().mean().item()

    assert share(MOVES["metropolis"](step_size=0.2)) == 0
    tempered = ParallelTempering(moves="metropolis", step_size=0.2, num_temperatures=8, hottest=0.01)
    assert share(tempered) == pytest.approx(0.75, abs=0.1)


@pytest.mark.parametrize("moves", MOVES)
def test_a_kernel_is_carried_to_another_temperature_without_a_pass(gaussian, moves):
    """Its state there is what it would have been, had it started there."""
    target, kernel = posterior(gaussian), MOVES[moves]()
    u = torch.randn(4, 4, dtype=DOUBLE, generator=torch.Generator().manual_seed(1))
    before, after = torch.tensor([[0.01, 0.2, 0.7, 1.0], [1.0, 0.3, 0.02, 0.6]], dtype=DOUBLE)
    state = kernel.init(temper(target, before), u)
    points = take(target, state, before)
    torch.testing.assert_close(points.log_likelihood, target.log_likelihood(u).detach())
    blind = dataclasses.replace(target, log_likelihood=None)
    carried = vars(place(kernel, blind, points, after, state.step_sizes))
    for name, value in vars(kernel.init(temper(target, after), u)).items():
        if torch.is_tensor(value):
            torch.testing.assert_close(carried[name], value, msg=name)


@pytest.mark.parametrize("moves", MOVES)
@pytest.mark.parametrize("name", ["parallel_tempering", "smc"])
def test_any_kernel_can_be_wrapped(gaussian, name, moves):
    kernel = KERNELS[name](moves=moves)
    state, info = run(kernel, posterior(gaussian), 3, 12, 2)
    torch.testing.assert_close(state.log_density, posterior(gaussian).log_density(state.position).detach())
    assert info.acceptance.shape == info.rejected.shape == (3,)


def test_what_passes_through_the_model_is_counted(gaussian):
    """A ladder is a batch of its rungs. A population is drawn, begins and moves; then one particle goes on."""
    target, rows = posterior(gaussian), []

    def counted(u):
        rows.append(len(u))
        return target.log_likelihood(u)

    watched = dataclasses.replace(target, log_likelihood=counted)
    run(ParallelTempering(num_temperatures=5), watched, 3, 2, 2)
    assert rows == [15] * 5
    rows.clear()
    run(SMC(num_particles=8), watched, 3, 4, 3)
    assert rows == [3] + [24] * 6 + [3] * 2
    rows.clear()
    run(Importance(num_particles=8), watched, 3, 1, 2)
    assert rows == [3] + [24] * 3


def test_temperatures_rise_by_the_share_that_is_wanted_until_the_target(gaussian):
    target, kernel = posterior(gaussian), SMC(num_particles=500, effective=0.6, num_moves=1)
    generator = torch.Generator().manual_seed(0)
    state, shares = kernel.init(target, torch.zeros(4, 4, dtype=DOUBLE)), []
    for _ in range(12):
        seen = []

        def watched(log_weights, generator, seen=seen):
            seen.append(effective_share(log_weights))
            return systematic(log_weights, generator)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(smc, "systematic", watched)
            before, (state, _) = state.beta, kernel.step(target, state, generator, warmup=True)
        assert ((state.beta > before) | (before == 1)).all()
        on_the_way = state.beta < 1
        torch.testing.assert_close(seen[0][on_the_way], torch.full_like(seen[0][on_the_way], 0.6), atol=1e-6, rtol=0)
        assert (seen[0] >= 0.6 - 1e-6).all()
        shares.append(on_the_way.any().item())
    assert shares[0]
    assert (state.beta == 1).all()


def test_temperatures_rise_after_so_many_moves(gaussian):
    kernel, generator = SMC(num_moves=3), torch.Generator().manual_seed(0)
    state, betas = kernel.init(posterior(gaussian), torch.zeros(1, 4, dtype=DOUBLE)), []
    for _ in range(7):
        before, (state, info) = state, kernel.step(posterior(gaussian), state, generator, warmup=True)
        assert not torch.equal(before.position, state.position) or info.acceptance < 1
        torch.testing.assert_close(state.log_density, posterior(gaussian).log_density(state.position).detach())
        betas.append(state.beta.item())
    assert 0 < betas[0] == betas[1] == betas[2] < betas[3] == betas[4] == betas[5] < betas[6]


def test_a_comb_draws_each_as_often_as_its_weight_and_any_of_its_teeth_alone_too():
    weights = torch.tensor([0.05, 0.0, 0.5, 0.15, 0.3], dtype=DOUBLE)
    drawn = systematic(weights.log().expand(20_000, 5), torch.Generator().manual_seed(0))
    counts = torch.nn.functional.one_hot(drawn, 5)
    often = counts.sum(1)
    assert (often >= (5 * weights).floor()).all()
    assert (often <= (5 * weights).ceil()).all()
    torch.testing.assert_close(counts.double().mean(0), weights.expand(5, 5), atol=0.015, rtol=0)


def chain_alone(kernel, target, start, chains):
    generator = ChainGenerators(3, chains)
    state = kernel.init(target, start)
    for step in range(14):
        state, _ = kernel.step(target, state, generator, warmup=step < 10)
    return state.position


@pytest.mark.parametrize("moves", MOVES)
@pytest.mark.parametrize("name", ["parallel_tempering", "smc"])
def test_populations_know_nothing_of_each_other(gaussian, name, moves):
    kernel, target = KERNELS[name](moves=moves), posterior(gaussian)
    start = torch.randn(4, 4, dtype=DOUBLE, generator=torch.Generator().manual_seed(4))
    together, alone = chain_alone(kernel, target, start, range(4)), chain_alone(kernel, target, start[2:3], [2])
    torch.testing.assert_close(alone, together[2:3], rtol=0, atol=1e-9)


def edge(u):
    """Flat up to 0, and not a number beyond: a random half of what the reference draws is impossible."""
    return torch.where(u[:, 0] > 0, torch.nan, 0 * u.sum(1))


@pytest.mark.parametrize("name", FROM_THE_REFERENCE)
@pytest.mark.parametrize("warmup", [True, False])
def test_what_is_impossible_is_drawn_and_never_kept(name, warmup):
    target = Target(edge, StandardNormal((2,)), Reals(2), lambda u: u)
    options = {} if name == "importance" else {"step_size": 1.0}
    kernel, generator = KERNELS[name](**options), torch.Generator().manual_seed(0)
    state, refused = kernel.init(target, torch.full((50, 2), -1.0)), 0
    for _ in range(10):
        state, info = kernel.step(target, state, generator, warmup=warmup)
        refused += info.rejected.sum()
        assert (state.position[:, 0] <= 0).all()
        assert state.log_density.isfinite().all()
    assert refused > 0
    if info.log_evidence is not None:
        assert info.log_evidence.item() == pytest.approx(math.log(0.5), abs=0.1)


def test_where_all_particles_are_impossible_there_is_a_sentence_or_none_is_taken():
    corner = Target(lambda u: torch.where(u.amin(1) > 9, 0.0, -torch.inf), StandardNormal((3,)), Reals(3), lambda u: u)
    start, generator = torch.full((2, 3), 10.0), torch.Generator().manual_seed(0)
    with pytest.raises(FlowgenError, match="all of 16 particles impossible: take more"):
        SMC().step(corner, SMC().init(corner, start), generator)
    state, info = Importance().step(corner, Importance().init(corner, start), generator)
    assert torch.equal(state.position, start)
    assert info.rejected.all()
    state, _ = Importance().step(corner, state, generator)
    assert state.position.isfinite().all()


@pytest.mark.parametrize("name", FROM_THE_REFERENCE)
def test_without_a_reference_there_is_a_sentence(name):
    target = Target(lambda u: u.sum(1), None, Reals(3), lambda u: u)
    with pytest.raises(FlowgenError, match=r"this target has none: choose Metropolis, MALA or HMC"):
        KERNELS[name]().init(target, torch.zeros(2, 3))


def test_a_run_estimates_the_evidence_and_more_rows_than_fit_are_refused():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = FLOWS["glow"](hidden=8).build((1, 4, 4))
        model.initialize(torch.rand(64, 1, 4, 4))
    image = torch.randint(0, 256, (1, 4, 4), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    known = torch.ones(4, 4, dtype=torch.bool)
    known[1:3, 1:4] = False
    for method in ("smc", "importance"):
        frames = list(complete(model, image, known, method=method, num=2, steps=6))
        assert all(math.isfinite(frame.log_evidence) for frame in frames)
    sentence = "40 variants with num_particles 128 are 5120 pictures at a time; ask for 4096 at most"
    with pytest.raises(FlowgenError, match=sentence):
        complete(model, image, known, method="smc", num=40, options={"num_particles": 128})
