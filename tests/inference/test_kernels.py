import dataclasses
import math

import pytest
import torch

from flowgen.data.images import midpoints
from flowgen.density import StandardNormal
from flowgen.errors import FlowgenError
from flowgen.inference import methods_for
from flowgen.inference.chains import ChainGenerators
from flowgen.inference.kernels import KERNELS, SGLD, AnnealedAscent, GradientAscent, Langevin, PixelAscent
from flowgen.inference.target import Reals, Target, pixel_target

DOUBLE = torch.float64
FOR_REALS = methods_for(Reals(1))
LONG_STEPS = {"hmc": 10}  # passes a step, where it is not one
LADDERS = ("parallel_tempering", "smc", "importance")  # a chain is many rows there, which test_tempering.py looks at
ONE_ROW = [name for name in FOR_REALS if name not in LADDERS]


def proposes_from_the_reference(name):
    return KERNELS[name].latent and KERNELS[name].jacobian


def target_of(gaussian, *, jacobian):
    return pixel_target(gaussian.model, gaussian.image, gaussian.known.expand(1, 2, 3), jacobian=jacobian)


def run(kernel, target, position, num_steps, generator=None, num_warmup=0):
    generator = generator or torch.Generator().manual_seed(0)
    state = kernel.init(target, position)
    for step in range(num_steps):
        state, _ = kernel.step(target, state, generator, warmup=step < num_warmup)
    return state


def flat(dim=3):
    """A target without slope, on which a kernel's noise is all that moves it."""
    return Target(lambda u: (0 * u).sum(1), None, Reals(dim), lambda u: u)


def cliff(dim=3, edge=0.5):
    """A steep slope up to an edge beyond which nothing is finite: above it NaN, or a NaN gradient alone."""

    def log_likelihood(u):
        over = u.amax(1) > edge
        return torch.where(over, torch.nan, 5 * u.sum(1))

    return Target(log_likelihood, None, Reals(dim), lambda u: u)


def mode_in_pixels(gaussian):
    """Newton's method on log N(u) - log sigmoid(u) - log sigmoid(-u), concave here; then in the target's coordinates.

    Those are logits of the pixels between the midpoints of the lowest and the highest byte, where the mode lies.
    """
    precision, u = gaussian.covariance.inverse(), gaussian.mean.clone()
    assert torch.linalg.eigvalsh(precision)[0] > 0.5
    for _ in range(50):
        s = torch.sigmoid(u)
        slope = -precision @ (u - gaussian.mean) + 2 * s - 1
        u = u + torch.linalg.solve(precision - torch.diag(2 * s * (1 - s)), slope)
    return torch.logit((torch.sigmoid(u) - 0.5 / 256) / (1 - 1 / 256))


@pytest.mark.parametrize("jacobian", [True, False])
def test_gradient_ascent_reaches_the_mode(gaussian, jacobian):
    target = target_of(gaussian, jacobian=jacobian)
    starts = 3 * torch.randn(5, 4, dtype=DOUBLE, generator=torch.Generator().manual_seed(1))
    state = run(GradientAscent(), target, starts, 300)
    mode = gaussian.mean if jacobian else mode_in_pixels(gaussian)
    torch.testing.assert_close(state.position, mode.expand(5, -1), rtol=0, atol=1e-4)
    best = target.log_density(mode[None])
    torch.testing.assert_close(state.log_density, best.expand(5), rtol=0, atol=1e-7)


def test_annealed_ascent_ends_about_the_mode(gaussian):
    """With curvature P, noise a * N(0, 1) leaves variance a / (2 P): at the 1000th step 0.04^2 to 0.07^2."""
    target = target_of(gaussian, jacobian=False)
    state = run(AnnealedAscent(step_size=0.1, decay=100.0), target, torch.zeros(1000, 4, dtype=DOUBLE), 1000)
    torch.testing.assert_close(state.position.mean(0), mode_in_pixels(gaussian), rtol=0, atol=0.01)
    assert (state.position.std(0) < 0.08).all()
    assert (state.position.std(0) > 0.01).all()


def test_annealed_ascent_adds_noise_of_its_step_length():
    """On a flat target the move is a_i * N(0, 1), a_i = a_0 D / (D + i): 30,000 draws give its scale within 2 %."""
    kernel = AnnealedAscent(step_size=0.2, decay=10.0)
    generator = torch.Generator().manual_seed(0)
    state = kernel.init(flat(), torch.zeros(10_000, 3))
    for i in range(12):
        after, _ = kernel.step(flat(), state, generator)
        scale = (after.position - state.position).std().item()
        assert scale == pytest.approx(0.2 * 10 / (10 + i), rel=0.02)
        state = after


@pytest.mark.parametrize("temperature", [0.0, 0.25, 1.0])
def test_langevin_adds_noise_of_sqrt_step_size(temperature):
    kernel = Langevin(step_size=0.04, temperature=temperature)
    state = run(kernel, flat(), torch.zeros(10_000, 3), 1)
    assert state.position.std().item() == pytest.approx(math.sqrt(0.04 * temperature), rel=0.02)


def test_langevin_reaches_its_own_biased_covariance(gaussian):
    """S (I - eps S^-1 / 4)^-1, the stationary covariance of the unadjusted chain, and not S itself.

    The slowest direction forgets by 1 - eps / (2 max S) a step, and the second moment by its square. After 200 steps of
    burn-in, 10,000 chains are read at 4 times that are at least five relaxation times apart: at least 39,000 effective
    draws, so a covariance has a standard error of at most sqrt(2 / 39000) = 0.7 % of sqrt(S_ii S_jj) and 3 % is four of
    them; a mean has 0.005 of its standard deviation, and 0.02 is four.
    """
    step_size, num_chains = 0.3, 10_000
    target = target_of(gaussian, jacobian=True)
    slowest = torch.linalg.eigvalsh(gaussian.covariance)[-1].item()
    apart = math.ceil(5 * 2 * slowest / step_size)
    biased = gaussian.covariance @ torch.linalg.inv(
        torch.eye(4, dtype=DOUBLE) - step_size / 4 * gaussian.covariance.inverse()
    )
    kernel, generator = Langevin(step_size=step_size), torch.Generator().manual_seed(3)
    state = kernel.init(target, torch.zeros(num_chains, 4, dtype=DOUBLE))
    draws = []
    for step in range(1, 200 + 4 * apart + 1):
        state, _ = kernel.step(target, state, generator)
        if step > 200 and (step - 200) % apart == 0:
            draws.append(state.position)
    u = torch.cat(draws)
    scale = biased.diagonal().sqrt()
    assert ((u.mean(0) - gaussian.mean) / scale).abs().max() < 0.02
    error = (torch.cov(u.T) - biased) / torch.outer(scale, scale)
    assert error.abs().max() < 0.03
    bias = (gaussian.covariance - biased) / torch.outer(scale, scale)
    assert bias.abs().max() > 0.06, "the bias is what this test looks for: it must be larger than its tolerance"


def law_with_known_bytes_drawn_anew(gaussian, num=200_000):
    """The mean of log p(u | known + r) over r: a Gaussian of the same covariance about the mean of the means."""
    levels, known = gaussian.image.flatten(), gaussian.known.flatten()
    r = torch.rand(num, int(known.sum()), dtype=DOUBLE, generator=torch.Generator().manual_seed(0))
    shift = torch.logit((levels[known] + r) / 256).mean(0) - torch.logit(midpoints(levels[known]).double())
    u = torch.zeros(4, dtype=DOUBLE)
    joint = gaussian.model.flow.bijection

    def gradient(shown):
        """Of the joint log-density of logits, with respect to the hidden ones; it is linear in the shown ones."""
        logits = torch.empty(6, dtype=DOUBLE)
        logits[known], logits[~known] = shown, u
        logits.requires_grad_()
        z, _ = joint(torch.sigmoid(logits).view(1, *gaussian.image.shape))
        return torch.autograd.grad(-0.5 * z.square().sum(), logits)[0][~known]

    shown = torch.logit(midpoints(levels[known]).double())
    return gaussian.mean + gaussian.covariance @ (gradient(shown + shift) - gradient(shown))


def walked(gaussian, target):
    """3,000 chains after steps that fell from 0.3 to 0.05, whose own bias is under a tenth of a standard error."""
    kernel = SGLD(step_size=0.3, delay=20.0, decay=0.55)
    return run(kernel, target, torch.zeros(3_000, 4, dtype=DOUBLE), 500).position


def off(u, mean, covariance):
    return ((u.mean(0) - mean) / covariance.diagonal().sqrt()).abs().max().item() * math.sqrt(len(u))


def test_sgld_reaches_the_density_of_the_mean_gradient_over_dequantisations(gaussian):
    """Which is not that of the midpoints: a known byte of 255 stands for logits of up to infinity."""
    target, mean = target_of(gaussian, jacobian=True), law_with_known_bytes_drawn_anew(gaussian)
    u = walked(gaussian, target)
    assert off(u, mean, gaussian.covariance) < 4
    scale = gaussian.covariance.diagonal().sqrt()
    error = (torch.cov(u.T) - gaussian.covariance) / torch.outer(scale, scale)
    assert error.abs().max() < 4 * math.sqrt(2 / len(u))
    assert off(u, gaussian.mean, gaussian.covariance) > 6
    assert off(walked(gaussian, dataclasses.replace(target, dequantized=None)), mean, gaussian.covariance) > 6


def test_sgld_takes_shorter_and_shorter_steps():
    """On a flat target the move is sqrt(eps_t) N(0, 1), eps_t = a (b + t)^-gamma: 30,000 draws tell it within 2 %."""
    kernel, generator = SGLD(step_size=0.2, delay=5.0, decay=0.8), torch.Generator().manual_seed(0)
    state, a = kernel.init(flat(), torch.zeros(10_000, 3)), 0.2 * 5**0.8
    for t in range(12):
        after, _ = kernel.step(flat(), state, generator)
        scale = (after.position - state.position).std().item()
        assert scale == pytest.approx(math.sqrt(a * (5 + t) ** -0.8), rel=0.02)
        state = after


def test_known_bytes_are_drawn_anew_at_each_step_and_for_each_chain(gaussian):
    target, generator = target_of(gaussian, jacobian=True), torch.Generator().manual_seed(0)
    u = torch.zeros(5, 4, dtype=DOUBLE)
    values = torch.stack([target.dequantized(5, generator).log_likelihood(u) for _ in range(3)]).flatten()
    assert values.unique().numel() == 15
    assert values.min() < target.log_likelihood(u)[0] < values.max()
    alone = target.dequantized(1, ChainGenerators(0, [3])).log_likelihood(u[:1])
    torch.testing.assert_close(target.dequantized(5, ChainGenerators(0, range(5))).log_likelihood(u)[3:4], alone)


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
@pytest.mark.parametrize("schedule", ["constant", "nice"])
@pytest.mark.parametrize("jacobian", [True, False])
def test_the_optimisers_of_torch_reach_the_mode(gaussian, optimizer, schedule, jacobian):
    target = target_of(gaussian, jacobian=jacobian)
    starts = 3 * torch.randn(5, 4, dtype=DOUBLE, generator=torch.Generator().manual_seed(1))
    state = run(PixelAscent(optimizer=optimizer, schedule=schedule), target, starts, 300)
    mode = gaussian.mean if jacobian else mode_in_pixels(gaussian)
    torch.testing.assert_close(state.position, mode.expand(5, -1), rtol=0, atol=1e-3)


def test_an_optimiser_takes_its_own_steps_while_they_ascend():
    """The first steps of Adam are torch's own, and NICE's schedule shortens them to D / (D + i)."""
    target = Target(lambda u: -0.5 * (u * torch.tensor([1.0, 4.0])).square().sum(1), None, Reals(2), lambda u: u)
    start = torch.tensor([[3.0, -2.0]])
    for schedule, shares in (("constant", [1.0] * 4), ("nice", [100 / (100 + i) for i in range(4)])):
        u = torch.nn.Parameter(start[0].clone())
        adam = torch.optim.Adam([u], lr=0.1)
        for share in shares:
            adam.param_groups[0]["lr"] = 0.1 * share
            u.grad = u.detach() * torch.tensor([1.0, 16.0])
            adam.step()
        state = run(PixelAscent(optimizer="adam", schedule=schedule, step_size=0.1), target, start, 4)
        torch.testing.assert_close(state.position[0], u.detach())


def test_a_step_down_is_refused_and_the_next_is_half_as_long():
    target = Target(lambda u: -0.5 * u.square().sum(1), None, Reals(1), lambda u: u)
    kernel = PixelAscent(optimizer="adam", step_size=8.0)
    state = kernel.init(target, torch.tensor([[1.0], [100.0]]))
    moved, _ = kernel.step(target, state, torch.Generator())
    assert moved.position[0] == 1
    assert moved.position[1] == pytest.approx(92)
    assert moved.shares == (0.5, 1.0)
    assert moved.optimizers[0] is not state.optimizers[0]
    assert moved.optimizers[1] is state.optimizers[1]


@pytest.mark.parametrize("kernel", [KERNELS[name]() for name in FOR_REALS], ids=FOR_REALS)
def test_the_state_holds_the_value_and_gradient_of_where_it_is(gaussian, kernel):
    target = dataclasses.replace(target_of(gaussian, jacobian=kernel.jacobian), dequantized=None)
    state = run(kernel, target, torch.zeros(3, 4, dtype=DOUBLE), 7)
    u = state.position.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(target.log_density(u).sum(), u)
    torch.testing.assert_close(state.log_density, target.log_density(u).detach())
    torch.testing.assert_close(getattr(state, "gradient", gradient), gradient)
    assert not state.position.requires_grad


@pytest.mark.parametrize("name", ONE_ROW)
def test_a_step_is_one_pass_but_for_paths(gaussian, name):
    kernel = KERNELS[name]()
    target, passes = target_of(gaussian, jacobian=kernel.jacobian), []

    def counted(u):
        passes.append(len(u))
        return target.log_likelihood(u)

    run(
        kernel,
        dataclasses.replace(target, log_likelihood=counted, dequantized=None),
        torch.zeros(3, 4, dtype=DOUBLE),
        10,
    )
    assert passes == [3] * (1 + 10 * LONG_STEPS.get(name, 1))


@pytest.mark.parametrize("name", [name for name in ONE_ROW if not proposes_from_the_reference(name)])
def test_what_is_not_finite_is_refused_and_counted(name):
    """Chain 0 starts at the edge and is pushed over it; chain 1 is far from it and must not notice."""
    kernel = KERNELS[name](step_size=0.3)
    target = cliff()
    state = kernel.init(target, torch.tensor([[0.49] * 3, [-5000.0] * 3]))
    refused, generator = torch.zeros(2, dtype=torch.int64), torch.Generator().manual_seed(0)
    for _ in range(20):
        state, info = kernel.step(target, state, generator)
        refused += info.rejected
        assert state.position.isfinite().all()
        assert state.log_density.isfinite().all()
        assert getattr(state, "gradient", state.position).isfinite().all()
        assert (state.position.amax(1) <= 0.5).all()
    assert refused[0] > 0
    assert refused[1] == 0
    assert state.position[1].mean() > -5000


@pytest.mark.parametrize("name", [name for name in ONE_ROW if proposes_from_the_reference(name)])
def test_each_proposal_from_the_reference_that_is_not_finite_is_refused_and_counted(name):
    seen = []

    def log_likelihood(u):
        seen.append(cliff().log_likelihood(u))
        return seen[-1]

    target = Target(log_likelihood, StandardNormal((3,)), Reals(3), lambda u: u)
    kernel, generator = KERNELS[name](), torch.Generator().manual_seed(0)
    state = kernel.init(target, torch.tensor([[0.49] * 3, [-1.0] * 3]))
    refused = torch.zeros(2, dtype=torch.int64)
    for _ in range(200):
        state, info = kernel.step(target, state, generator)
        refused += info.rejected
        assert (info.acceptance[info.rejected] == 0).all()
        assert state.position.isfinite().all()
        assert state.log_density.isfinite().all()
        assert (state.position.amax(1) <= 0.5).all()
    assert torch.equal(refused, torch.stack(seen).isnan().sum(0))
    assert (refused > 0).all()


@pytest.mark.parametrize("name", FOR_REALS)
def test_chains_know_nothing_of_each_other(gaussian, name):
    kernel = KERNELS[name]()
    target = target_of(gaussian, jacobian=kernel.jacobian)
    start = torch.randn(5, 4, dtype=DOUBLE, generator=torch.Generator().manual_seed(4))
    together = run(kernel, target, start, 20, ChainGenerators(11, range(5)), num_warmup=10)
    alone = run(kernel, target, start[3:4], 20, ChainGenerators(11, [3]), num_warmup=10)
    torch.testing.assert_close(alone.position, together.position[3:4], rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", FOR_REALS)
def test_a_start_that_is_impossible_is_refused(name):
    for offset in (-torch.inf, torch.nan):
        impossible = Target(lambda u, offset=offset: u.sum(1) + offset, StandardNormal((3,)), Reals(3), lambda u: u)
        with pytest.raises(FlowgenError, match="impossible: its density at the start is zero or not a number, or"):
            KERNELS[name]().init(impossible, torch.zeros(2, 3))


@pytest.mark.parametrize("name", ["mala", "gradient_ascent", "latent_ascent"])
def test_a_start_without_a_slope_is_refused(name):
    steep = Target(lambda u: u.square().sum(1).sqrt(), StandardNormal((3,)), Reals(3), lambda u: u)
    with pytest.raises(FlowgenError, match="or has no gradient"):
        KERNELS[name]().init(steep, torch.zeros(2, 3))


@pytest.mark.parametrize("name", KERNELS)
def test_hyperparameters_say_what_they_are_and_are_held_to_their_range(name):
    for spec in dataclasses.fields(KERNELS[name]):
        assert spec.metadata["help"]
        if "max" not in spec.metadata:
            with pytest.raises(FlowgenError, match=f"{spec.name} is 'none of them'; it must be one of"):
                KERNELS[name](**{spec.name: "none of them"})
            continue
        for wrong in (spec.metadata["max"] * 2, spec.metadata["min"] - 1, math.nan, math.inf, "0.1", None, True):
            with pytest.raises(FlowgenError, match=spec.name):
                KERNELS[name](**{spec.name: wrong})
        assert dataclasses.asdict(KERNELS[name](**{spec.name: spec.metadata["max"]}))[spec.name] == spec.metadata["max"]
