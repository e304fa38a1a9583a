import dataclasses

import pytest
import torch

from flowgen.errors import FlowgenError
from flowgen.inference import KERNELS, Levels, Reals, Target, complete, inpaint, methods_for, pixel_target
from flowgen.inference.kernels import Langevin
from flowgen.models import FLOWS

SHAPE = (1, 4, 4)
FOR_REALS = methods_for(Reals(1))


@pytest.fixture(scope="module", params=FLOWS)
def model(request):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = FLOWS[request.param](hidden=8).build(SHAPE)
        model.initialize(torch.rand(64, *SHAPE))
    return model


@pytest.fixture
def image():
    return torch.randint(0, 256, SHAPE, generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


@pytest.fixture
def known():
    known = torch.ones(4, 4, dtype=torch.bool)
    known[1:3, 1:4] = False
    return known


def last(frames):
    *_, frame = frames
    return frame


@pytest.mark.parametrize("method", FOR_REALS)
def test_frames_come_step_by_step_with_the_known_bytes_untouched(model, image, known, method):
    frames = list(complete(model, image, known, method=method, num=3, steps=5))
    unadjusted = (
        "gradient_ascent",
        "annealed_ascent",
        "pixel_ascent",
        "latent_ascent",
        "langevin",
        "sgld",
        "importance",
    )
    adjusts = method not in unadjusted
    searched = 0 if method in ("smc", "importance") else 2
    assert [frame.step for frame in frames] == [1, 2, 3, 4, 5]
    assert all(frame.num_steps == 5 for frame in frames)
    for frame in frames:
        assert frame.levels.dtype == torch.uint8
        assert frame.levels.shape == (3, *SHAPE)
        assert torch.equal(frame.levels[:, :, known], image[:, known].expand(3, -1, -1))
        assert frame.log_density.shape == (3,)
        assert frame.log_density.isfinite().all()
        assert frame.position.isfinite().all()
        assert frame.rejected == 0
        assert (frame.acceptance is not None) == (adjusts and frame.step > searched), (
            "the search accepts all that ascends"
        )
    assert not torch.equal(frames[0].position, frames[-1].position)
    assert [frame.warming_up for frame in frames] == [
        True,
        True,
        KERNELS[method].jacobian and searched > 0,
        False,
        False,
    ]


@pytest.mark.parametrize("method", FOR_REALS)
def test_a_seed_repeats_and_another_differs(model, image, known, method):
    def position(seed):
        return last(complete(model, image, known, method=method, num=2, steps=4, seed=seed)).position

    assert torch.equal(position(5), position(5))
    assert not torch.equal(position(5), position(6))


@pytest.mark.parametrize("method", FOR_REALS)
def test_a_variant_can_be_drawn_again_by_itself(model, image, known, method):
    together = last(complete(model.double(), image, known, method=method, num=4, steps=6, seed=9))
    alone = last(complete(model, image, known, method=method, num=1, steps=6, seed=9, first=2))
    model.float()
    torch.testing.assert_close(alone.position, together.position[2:3], rtol=0, atol=1e-6)
    assert torch.equal(alone.levels, together.levels[2:3])


def test_frames_are_snapshots_that_later_steps_leave_alone(model, image, known):
    frames = complete(model, image, known, steps=5)
    first = next(frames)
    before = first.position.clone()
    list(frames)
    assert torch.equal(first.position, before)


@pytest.mark.parametrize("method", FOR_REALS)
def test_the_model_is_left_as_it_was(model, image, known, method):
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    list(complete(model, image, known, method=method, steps=3))
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())


def test_ascent_climbs_and_langevin_does_not_settle(model, image, known):
    climb = [frame.log_density for frame in complete(model, image, known, method="gradient_ascent", num=4, steps=40)]
    assert (climb[-1] > climb[0]).all()
    walk = [frame.position for frame in complete(model, image, known, method="langevin", num=4, steps=40)]
    assert (walk[-1] - walk[-2]).abs().mean() > 0.01


def test_colour_images_share_one_mask():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = FLOWS["glow"](hidden=8).build((3, 4, 4))
    image = torch.randint(0, 256, (3, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))
    known = torch.ones(1, 4, 4, dtype=torch.bool)
    known[:, :2] = False
    frame = last(complete(model, image, known, num=2, steps=2))
    assert frame.position.shape == (2, 3 * 8)
    assert torch.equal(frame.levels[:, :, 2:], image[:, 2:].expand(2, -1, -1, -1))


def test_fewer_levels_are_filled_within_them():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = FLOWS["glow"](hidden=8).build(SHAPE, levels=3)
    image = torch.randint(0, 3, SHAPE, dtype=torch.uint8, generator=torch.Generator().manual_seed(3))
    known = torch.zeros(4, 4, dtype=torch.bool)
    known[0] = True
    frame = last(complete(model, image, known, method="langevin", num=8, steps=2))
    assert frame.levels.max() == 2
    with pytest.raises(FlowgenError, match="levels outside 0 to 2"):
        complete(model, image + 1, known)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"method": "telepathy"},
            "no method 'telepathy'; choose one of: gradient_ascent, annealed_ascent, pixel_ascent",
        ),
        ({"options": {"colour": 1}}, "no option 'colour' here; there are: step_size"),
        ({"options": {"step_size": -1.0}}, "step_size is -1.0; it must be a number of at least"),
        ({"options": {"step_size": float("nan")}}, "step_size is nan"),
        ({"steps": 0}, "0 steps"),
        ({"steps": -3}, "-3 steps"),
        ({"steps": 10**9}, "1000000000 steps"),
        ({"num": 0}, "0 variants"),
        ({"num": 257}, "257 variants"),
        ({"first": -1}, "cannot be -1"),
        ({"image": torch.zeros(SHAPE)}, "image is of torch.float32"),
        ({"image": torch.full(SHAPE, torch.nan)}, "image is of torch.float32"),
        ({"image": torch.zeros(1, 5, 4, dtype=torch.uint8)}, "image has shape 1 x 5 x 4; this model takes 1 x 4 x 4"),
        ({"image": torch.full(SHAPE, -1)}, "levels outside 0 to 255"),
        ({"known": torch.ones(4, 4, dtype=torch.bool)}, "Nothing is hidden"),
        ({"known": torch.zeros(4, 4, dtype=torch.bool)}, "Everything is hidden"),
        ({"known": torch.ones(4, 5, dtype=torch.bool)}, "mask has shape 4 x 5; for this model it must be 4 x 4"),
        ({"known": torch.full((4, 4), 0.5)}, "mask is of torch.float32"),
    ],
)
def test_what_is_out_of_order_gets_a_sentence_before_the_first_frame(model, image, known, change, sentence):
    with pytest.raises(FlowgenError, match=sentence):
        complete(model, **({"image": image, "known": known} | change))


def test_a_picture_that_the_model_finds_impossible_is_refused(model, image, known):
    broken = model.frozen()
    broken.prior.anchor.fill_(0)
    broken.flow.prior._log_density = lambda z: torch.full_like(z, -torch.inf)
    with pytest.raises(FlowgenError, match="impossible"):
        complete(broken, image, known)


def test_a_kernel_refuses_a_space_that_it_does_not_serve():
    enumerated = Target(lambda u: u.sum(1), None, Levels(3, 2), lambda u: u)
    with pytest.raises(
        FlowgenError, match="Langevin cannot move in levels; these methods can: metropolis_within_gibbs"
    ):
        inpaint(enumerated, Langevin(), torch.zeros(1, 3), 5, generator=torch.Generator())


def test_methods_are_offered_by_the_space_that_they_serve():
    assert methods_for(Levels(3, 2)) == ["metropolis_within_gibbs", "particle_gibbs", "gibbs"]
    assert not set(methods_for(Levels(3, 2))) & set(FOR_REALS)
    assert set(methods_for(Levels(3, 2))) | set(FOR_REALS) == set(KERNELS)


@pytest.mark.parametrize(("steps", "warmup"), [(5, 6), (5, -1)])
def test_warm_up_is_a_part_of_the_run(gaussian, steps, warmup):
    target = pixel_target(gaussian.model, gaussian.image, gaussian.known.expand(1, 2, 3))
    start = torch.zeros(2, 4, dtype=torch.float64)
    with pytest.raises(FlowgenError, match="warm-up"):
        inpaint(target, Langevin(), start, steps, num_warmup=warmup, generator=torch.Generator())


def test_acceptance_and_refusals_add_up_over_the_run(gaussian):
    """A kernel that reports acceptance is averaged, and refusals are counted, chain by chain."""
    target = pixel_target(gaussian.model, gaussian.image, gaussian.known.expand(1, 2, 3))

    @dataclasses.dataclass(frozen=True)
    class Reporting(Langevin):
        def step(self, target, state, generator, *, warmup=False):
            state, info = super().step(target, state, generator)
            even = state.step % 2 == 0
            rejected = torch.tensor([even, False])
            return state, dataclasses.replace(info, rejected=rejected, acceptance=torch.tensor([float(even), 1.0]))

    start = torch.zeros(2, 4, dtype=torch.float64)
    frame = last(inpaint(target, Reporting(), start, 10, generator=torch.Generator()))
    assert frame.rejections.tolist() == [5, 0]
    assert frame.rejected == 5
    assert frame.acceptance.tolist() == [0.5, 1.0]
    assert frame.acceptance_rate == 0.75
    frame = last(inpaint(target, Reporting(), start, 8, num_warmup=5, generator=torch.Generator()))
    assert frame.rejections.tolist() == [4, 0]
    assert frame.acceptance.tolist() == [pytest.approx(2 / 3), 1.0], "of steps 6, 7 and 8"
