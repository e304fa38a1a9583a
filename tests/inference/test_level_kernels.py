"""Kernels over levels, and particles: enumerated probabilities, an unbiased estimate of p(known), known bytes kept."""

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from flowgen.density import StandardNormal
from flowgen.errors import FlowgenError
from flowgen.inference import (
    KERNELS,
    ChainGenerators,
    Frame,
    Levels,
    LevelsTarget,
    RasterSMC,
    Target,
    complete,
    inpaint,
    levels_target,
    methods_for,
    methods_of,
)
from flowgen.inference.kernels import Gibbs, Info, MetropolisWithinGibbs, ParticleGibbs
from flowgen.inference.kernels import metropolis_within_gibbs as within_gibbs
from flowgen.inference.sequential_target import draw_index
from flowgen.models import AUTOREGRESSIVE, Autoregressive

FOR_LEVELS = methods_for(Levels(1, 3))
ROW = RasterSMC(num_particles=4)
Shape = tuple[int, int, int]


def build(name: str, shape: Shape, levels: int, scale: float = 0.4, **fields: Any) -> Autoregressive:
    """A small model whose every pixel depends strongly on those before it."""
    with torch.random.fork_rng():
        torch.manual_seed(4)
        model = AUTOREGRESSIVE[name](hidden=6, dilations="1 1", embedding=3, **fields).build(shape, levels)
        for parameter in model.parameters():
            parameter.data += scale * torch.randn_like(parameter)
    return model.double().requires_grad_(False)


class Table:
    """A model of 2x2 pixels of three levels that looks its conditionals up, and so takes many steps."""

    event_shape, levels, prior = (1, 2, 2), 3, StandardNormal((4,))

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(3)
        logits = [1.2 * torch.randn(3**t, 3, generator=generator, dtype=torch.float64) for t in range(4)]
        self.conditionals = [torch.log_softmax(one, 1) for one in logits]

    def log_mass(self, levels: Tensor) -> Tensor:
        images, total = self.begin(len(levels)), torch.zeros(len(levels), dtype=torch.float64)
        for k in levels.flatten(1).long().unbind(1):
            total += images.log_probs().gather(1, k[:, None])[:, 0]
            images.put(k)
        return total

    def begin(self, n: int) -> "TablePass":
        return TablePass(self, 0, torch.zeros(n, dtype=torch.long))


@dataclass
class TablePass:
    model: Table
    index: int
    before: Tensor

    @property
    def at(self) -> tuple[int, int, int]:
        return 0, *divmod(self.index, 2)

    def log_probs(self) -> Tensor:
        return self.model.conditionals[self.index][self.before]

    def put(self, levels: Tensor) -> None:
        self.index, self.before = self.index + 1, 3 * self.before + levels

    def reindex(self, ancestors: Tensor) -> "TablePass":
        return TablePass(self.model, self.index, self.before[ancestors])


@dataclass(frozen=True)
class World:
    """An image with three hidden levels, few enough to count every completion.

    Args:
        every: all 27 completions in the target's order, (27, 3).
        probabilities: of each, given the known levels: (27,).
        log_evidence: log p(known).
    """

    model: Autoregressive
    image: Tensor
    known: Tensor
    target: LevelsTarget
    every: Tensor
    probabilities: Tensor
    log_evidence: float

    def distance(self, draws: Tensor) -> float:
        """Total variation between draws (n, 3) and the truth."""
        counts = torch.bincount(number(draws), minlength=27)
        return float((counts / counts.sum() - self.probabilities).abs().sum() / 2)


def world(model: Any, known: list[list[bool]]) -> World:
    image = torch.full(model.event_shape, 2, dtype=torch.uint8)
    mask = torch.tensor(known)
    target = levels_target(model, image, mask.expand(model.event_shape))
    every = torch.tensor([*itertools.product(range(3), repeat=3)])
    log_mass = target.log_density(every)
    return World(model, image, mask, target, every, torch.softmax(log_mass, 0), float(log_mass.logsumexp(0)))


LAST_KNOWN, MIDDLE_KNOWN = [[False, False], [False, True]], [[False, True], [False, False]]
WORLDS: dict[str, Callable[[], World]] = {
    "what is known comes last": lambda: world(build("gated_pixelcnn", (1, 2, 2), 3), LAST_KNOWN),
    "what is known comes between": lambda: world(build("pixelcnn", (1, 2, 2), 3), MIDDLE_KNOWN),
    "classes": lambda: world(build("gated_pixelcnn", (1, 2, 2), 3, 0.6, num_classes=3), LAST_KNOWN),
    "colours": lambda: world(build("gated_pixelcnn", (3, 1, 2), 3), [[False, True]]),
    "tied colours": lambda: world(build("pixelcnn", (3, 1, 2), 3, factor="logistic_mixture"), [[False, True]]),
}


@pytest.fixture(scope="module", params=WORLDS)
def counted(request: pytest.FixtureRequest) -> World:
    """Every net, in gray and in colours, with classes, and with what is known last or between."""
    return WORLDS[request.param]()


@pytest.fixture(scope="module")
def small() -> World:
    """One world of a net."""
    return WORLDS["what is known comes last"]()


@pytest.fixture(scope="module", params=[LAST_KNOWN, MIDDLE_KNOWN], ids=["known last", "known between"])
def plain(request: pytest.FixtureRequest) -> World:
    return world(Table(), request.param)


def draws(kernel: Any, counted: World, num: int, *, burn: int = 12) -> Tensor:
    """Where so many steps of a thousand chains that all started at the same completion have been."""
    start = counted.every[:1].expand(1_000, -1)
    frames = inpaint(counted.target, kernel, start, burn + num, generator=torch.Generator().manual_seed(1))
    return torch.cat([frame.position for frame in itertools.islice(frames, burn, None)])


def number(u: Tensor) -> Tensor:
    """Which of every completion it is: (..., 3) -> (...)."""
    return (u * torch.tensor([9, 3, 1])).sum(-1)


def test_the_worlds_are_worth_counting(counted: World) -> None:
    """What is known after a pixel tells of it: completing in order without looking ahead would be far off."""
    prior = counted.target.sequence.init(20_000)
    generator = torch.Generator().manual_seed(0)
    while not counted.target.sequence.finished(prior):
        counted.target.sequence.advance(prior, torch.rand(20_000, generator=generator))
    assert counted.distance(prior.position) > 0.04
    assert counted.probabilities.max() < 0.9


SETTINGS = [
    MetropolisWithinGibbs(), MetropolisWithinGibbs(block=1), MetropolisWithinGibbs(block=2), Gibbs(), Gibbs(block=2),
    ParticleGibbs(num_particles=4), ParticleGibbs(num_particles=2, threshold=1.0),
    ParticleGibbs(num_particles=3, threshold=0.0),
]  # fmt: skip


def test_every_kernel_over_levels_is_counted_after() -> None:
    assert {type(kernel) for kernel in SETTINGS} == {KERNELS[name] for name in FOR_LEVELS}


@pytest.mark.parametrize("kernel", SETTINGS, ids=str)
def test_a_kernel_reaches_the_enumerated_probabilities(plain: World, kernel: Any) -> None:
    assert plain.distance(draws(kernel, plain, 400, burn=60)) < 0.01


@pytest.mark.parametrize("kernel", [MetropolisWithinGibbs(), Gibbs(), ParticleGibbs(num_particles=4)], ids=str)
def test_a_kernel_reaches_them_on_nets(counted: World, kernel: Any) -> None:
    assert counted.distance(draws(kernel, counted, 10, burn=8)) < 0.03


def accept(log_ratio: Tensor, finite: Tensor, generator: Any) -> tuple[Tensor, Tensor]:
    """What Metropolis and Hastings do not."""
    return torch.ones_like(finite), torch.ones_like(log_ratio)


def test_without_its_acceptance_metropolis_within_gibbs_ends_elsewhere(
    plain: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(within_gibbs, "decide", accept)
    assert plain.distance(draws(MetropolisWithinGibbs(), plain, 50)) > 0.05


def test_without_the_proposals_density_metropolis_within_gibbs_ends_elsewhere(
    plain: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    propose = MetropolisWithinGibbs._propose
    monkeypatch.setattr(MetropolisWithinGibbs, "_propose", lambda *given: torch.zeros_like(propose(*given)))
    assert plain.distance(draws(MetropolisWithinGibbs(), plain, 50)) > 0.05


def test_without_its_retained_particle_particle_gibbs_ends_elsewhere(
    plain: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flowgen.inference.raster._held", lambda *_: None)
    assert plain.distance(draws(ParticleGibbs(num_particles=2), plain, 50)) > 0.03


def test_acceptance_is_that_of_metropolis_and_hastings() -> None:
    """Of one block over the whole hole: what is known after it, at the proposal and where the chain is."""
    kernel, plain = MetropolisWithinGibbs(block=3), world(Table(), LAST_KNOWN)
    start = plain.every[torch.arange(2_000) % 27]
    state = kernel.init(plain.target, start)
    after, info = kernel.step(plain.target, state, torch.Generator().manual_seed(0))
    assert info.acceptance is not None
    log_known = last_factor(plain)
    moved = (after.position != start).any(1)
    index = number(after.position)[moved]
    expected = (log_known[index] - log_known[torch.arange(2_000)[moved] % 27]).clamp_max(0).exp()
    torch.testing.assert_close(info.acceptance[moved], expected, rtol=1e-9, atol=0)


def last_factor(plain: World) -> Tensor:
    """The log p(known | hidden before it) of every completion, (27,)."""
    sequence = plain.target.sequence
    partial = sequence.init(27)
    for column in range(3):
        sequence.advance(partial, torch.full((27,), 0.5), plain.every[:, column])
    return sequence.advance(partial)


@pytest.mark.parametrize("kernel", [MetropolisWithinGibbs(block=2), Gibbs(), ParticleGibbs()], ids=str)
def test_the_state_holds_the_log_density_of_where_it_is(counted: World, kernel: Any) -> None:
    state = kernel.init(counted.target, counted.every)
    for _ in range(5):
        before = state.position.clone(), state.log_density.clone()
        after, _ = kernel.step(counted.target, state, torch.Generator().manual_seed(0))
        again, _ = kernel.step(counted.target, state, torch.Generator().manual_seed(0))
        assert torch.equal(after.position, again.position), "a state may be stepped from twice"
        assert torch.equal(state.position, before[0])
        assert torch.equal(state.log_density, before[1])
        state = after
        torch.testing.assert_close(state.log_density, counted.target.log_density(state.position), rtol=0, atol=1e-9)
    assert not torch.equal(state.position, counted.every)


def test_the_estimate_of_p_known_is_unbiased(counted: World) -> None:
    """The mean of 200 estimates is within 3 standard errors of what counting says, and not of a tenth off."""
    *_, cloud = ROW.clouds(counted.target, 200, torch.Generator().manual_seed(3))
    estimates = cloud.log_evidence.exp()
    error = estimates.std() / math.sqrt(200)
    assert abs(estimates.mean() - math.exp(counted.log_evidence)) < 3 * error


@pytest.mark.parametrize("threshold", [0.0, 0.7, 1.0])
def test_a_hundred_thousand_estimates_are_unbiased(plain: World, threshold: float) -> None:
    """Of few particles, whose estimates scatter most; the mean of their logarithms is not what is unbiased."""
    smc = RasterSMC(num_particles=3, threshold=threshold)
    *_, cloud = smc.clouds(plain.target, 100_000, torch.Generator().manual_seed(0))
    ratios = (cloud.log_evidence - plain.log_evidence).exp()
    error = ratios.std() / math.sqrt(100_000)
    assert abs(ratios.mean() - 1) < 3 * error
    assert 3 * error < 0.01
    assert ratios.log().mean() < -10 * error


@pytest.mark.parametrize("threshold", [0.0, 0.7, 1.0])
def test_many_particles_weigh_completions_as_counting_does(plain: World, threshold: float) -> None:
    assert particles_off(plain, RasterSMC(num_particles=1024, threshold=threshold)) < 0.01


def test_many_particles_weigh_completions_as_counting_does_on_nets(counted: World) -> None:
    assert particles_off(counted, RasterSMC(num_particles=256)) < 0.03


def particles_off(counted: World, smc: RasterSMC) -> float:
    """Total variation between weighted particles and the truth; each particle must know its own log-mass."""
    *_, cloud = smc.clouds(counted.target, 50, torch.Generator().manual_seed(0))
    torch.testing.assert_close(
        cloud.log_mass.flatten(), counted.target.log_density(cloud.position.flatten(0, 1)), rtol=0, atol=1e-9
    )
    index, weights = number(cloud.position).flatten(), torch.softmax(cloud.log_weights, 1).flatten() / 50
    found = torch.zeros(27, dtype=torch.float64).index_add(0, index, weights)
    return float((found - counted.probabilities).abs().sum() / 2)


def test_the_frames_say_what_is_known_so_far(counted: World) -> None:
    frames = list(complete(counted.model, counted.image, counted.known, method="raster_smc", num=50, seed=0))
    assert frames[-1].log_evidence == pytest.approx(counted.log_evidence, abs=0.1)
    assert frames[-1].step == frames[-1].num_steps == counted.image.shape[1]


def test_one_estimate_is_the_mean_of_the_variants(small: World) -> None:
    def evidence(**settings: Any) -> float:
        *_, last = complete(small.model, small.image, small.known, method="raster_smc", seed=1, **settings)
        assert last.log_evidence is not None
        return math.exp(last.log_evidence)

    apart = [evidence(num=1, first=i, options={"num_particles": 3}) for i in range(5)]
    assert len(set(apart)) > 1
    assert evidence(num=5, options={"num_particles": 3}) == pytest.approx(sum(apart) / 5)


METHODS = [name for name in methods_of(build("pixelcnn", (1, 2, 2), 3)) if name != "in_order"]
HOLES = {
    "gray": (build("gated_pixelcnn", (1, 4, 5), 4, 0.25), ["#####", "#..##", "#...#", "#####"]),
    "colours": (build("pixelcnn", (3, 3, 3), 4, 0.25), ["###", "#.#", ".##"]),
    "classes": (build("gated_pixelcnn", (1, 3, 3), 4, 0.25, num_classes=3), [".##", "#.#", "###"]),
}


def hole_of(name: str) -> tuple[Autoregressive, Tensor]:
    model, rows = HOLES[name]
    return model, torch.tensor([[pixel == "#" for pixel in row] for row in rows])


@pytest.fixture(params=HOLES)
def hole(request: pytest.FixtureRequest) -> tuple[Autoregressive, Tensor, Tensor]:
    model, known = hole_of(request.param)
    generator = torch.Generator().manual_seed(1)
    return model, torch.randint(0, 4, model.event_shape, generator=generator, dtype=torch.uint8), known


def run(hole: tuple[Autoregressive, Tensor, Tensor], method: str, **settings: Any) -> Iterator[Frame]:
    return complete(*hole, method=method, **({"num": 3, "steps": 12, "seed": 5} | settings))


@pytest.mark.parametrize("method", METHODS)
def test_known_bytes_come_back_in_every_frame(hole: tuple[Autoregressive, Tensor, Tensor], method: str) -> None:
    model, image, known = hole
    frames = list(run(hole, method))
    assert frames[-1].step == frames[-1].num_steps
    for frame in frames:
        assert frame.levels.dtype == torch.uint8
        assert torch.equal(frame.levels[:, :, known], image[:, known].expand(3, -1, -1))
    assert any(not torch.equal(frame.levels, frames[0].levels) for frame in frames)
    torch.testing.assert_close(frames[-1].log_density, model.log_mass(frames[-1].levels), rtol=0, atol=1e-9)
    assert frames[-1].rejected == 0
    assert not frames[-1].warming_up
    assert (frames[-1].log_evidence is not None) == (method == "raster_smc")
    assert (frames[-1].acceptance is not None) == (method == "metropolis_within_gibbs")


@pytest.mark.parametrize("method", METHODS)
def test_a_seed_repeats_and_a_variant_is_its_own(hole: tuple[Autoregressive, Tensor, Tensor], method: str) -> None:
    *_, first = run(hole, method, num=4)
    *_, again = run(hole, method, num=4)
    *_, other = run(hole, method, num=4, seed=6)
    *_, alone = run(hole, method, num=1, first=2)
    assert torch.equal(first.levels, again.levels)
    assert not torch.equal(first.levels, other.levels)
    assert torch.equal(first.levels[2], alone.levels[0])
    assert not (first.levels == first.levels[0]).all()


def test_where_what_is_hidden_comes_last_every_particle_weighs_the_same() -> None:
    model, image = HOLES["gray"][0], torch.ones(1, 4, 5, dtype=torch.uint8)
    known = torch.arange(20).view(4, 5) < 8
    *_, last = complete(model, image, known, method="raster_smc", num=2)
    prefix = levels_target(model, image, known.expand(1, 4, 5)).sequence.prefix
    assert last.log_evidence == pytest.approx(float(prefix.log_mass))


def without(model: Autoregressive, level: int) -> Autoregressive:
    """The model, but that a level has probability 0 everywhere."""
    barred = model.frozen()
    barred.net.out.bias.data.view(-1, model.levels)[:, level] = -math.inf
    return barred


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("row", "column"), [(0, 1), (2, 0), (3, 1)], ids=["before the hole", "within", "after it"])
def test_a_known_level_of_probability_0_is_refused(method: str, row: int, column: int) -> None:
    whole, known = hole_of("gray")
    model = without(whole, 3)
    image = torch.ones(1, 4, 5, dtype=torch.uint8)
    assert list(complete(model, image, known, method=method, steps=4))[-1].levels.max() < 3
    image[0, row, column] = 3
    with pytest.raises(FlowgenError, match=f"impossible: it gives the known level 3 at row {row}, column {column}"):
        list(complete(model, image, known, method=method, steps=4))


@pytest.mark.parametrize("name", FOR_LEVELS)
def test_a_start_that_is_impossible_is_refused(small: World, name: str) -> None:
    image = torch.tensor([[[0, 0], [0, 1]]], dtype=torch.uint8)
    target = levels_target(without(small.model, 2), image, small.known.expand(1, 2, 2))
    with pytest.raises(FlowgenError, match="impossible"):
        KERNELS[name]().init(target, torch.tensor([[0, 1, 0], [0, 2, 0]]))


def test_what_asks_too_much_gets_a_sentence(small: World) -> None:
    with pytest.raises(FlowgenError, match="256 variants with num_particles 1024 are 262144 pictures at a time"):
        complete(small.model, small.image, small.known, num=256, options={"num_particles": 1024})
    with pytest.raises(FlowgenError, match="choose a smaller block"):
        Gibbs(block=16).init(small.target, small.every)


@pytest.mark.parametrize("kernel", [MetropolisWithinGibbs(), ParticleGibbs()], ids=str)
def test_a_target_without_an_order_is_refused_where_one_is_needed(kernel: Any) -> None:
    shapeless = Target(lambda u: 0.0 * u.sum(1), None, Levels(3, 3), lambda u: u)
    with pytest.raises(FlowgenError, match="this target has none: choose Gibbs"):
        kernel.init(shapeless, torch.zeros(2, 3, dtype=torch.long))
    assert isinstance(gibbs_step(shapeless), Info)


def gibbs_step(target: Target) -> Info:
    state = Gibbs().init(target, torch.zeros(2, 3, dtype=torch.long))
    return Gibbs().step(target, state, ChainGenerators(0, range(2)))[1]


def test_what_is_not_a_number_is_never_chosen() -> None:
    def log_likelihood(u: Tensor) -> Tensor:
        return torch.where((u == 2).any(1), math.nan, 0.0 * u.sum(1))

    target = Target(log_likelihood, None, Levels(3, 3), lambda u: u)
    frames = inpaint(target, Gibbs(), torch.zeros(50, 3, dtype=torch.long), 9, generator=torch.Generator())
    *_, last = frames
    assert (last.position < 2).all()
    assert (last.position == 1).any()
    assert (last.rejections == 9).all()


def test_what_is_drawn_keeps_to_the_weights() -> None:
    weights = torch.tensor([[0.1, 0.0, 0.6, 0.3], [0.0, 0.0, 0.0, 1.0]], dtype=torch.float64)
    drawn = draw_index(weights.log(), torch.linspace(0.001, 0.999, 500, dtype=torch.float64).expand(2, -1))
    torch.testing.assert_close(torch.bincount(drawn[0], minlength=4) / 500, weights[0].float(), rtol=0, atol=0.01)
    assert (drawn[1] == 3).all()
