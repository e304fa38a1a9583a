"""Completion in raster order: exact by enumeration, known bytes kept, and refused where the order does not allow it."""

import itertools

import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor

from flowgen.errors import FlowgenError
from flowgen.inference import complete, draw, methods_of
from flowgen.models import AUTOREGRESSIVE, FLOWS, Autoregressive
from flowgen.models.gated_pixelcnn import GatedPixelCNN


def build(name: str, shape: tuple[int, int, int], levels: int, **fields: int) -> Autoregressive:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        recipe = AUTOREGRESSIVE[name](hidden=6, dilations="1 1", embedding=3, **fields)
        model = recipe.build(shape, levels)
        for parameter in model.parameters():
            parameter.data += 0.4 * torch.randn_like(parameter)
    return model.double()


@pytest.fixture(params=AUTOREGRESSIVE)
def model(request: pytest.FixtureRequest) -> Autoregressive:
    return build(request.param, (1, 4, 4), 5)


@pytest.fixture
def image() -> Tensor:
    return torch.randint(0, 5, (1, 4, 4), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


@pytest.fixture
def known() -> Tensor:
    known = torch.zeros(4, 4, dtype=torch.bool)
    known.view(-1)[:6] = True  # a row and a half
    return known


def test_known_bytes_come_back_in_every_frame(model: Autoregressive, image: Tensor, known: Tensor) -> None:
    frames = list(complete(model, image, known, num=3, seed=0))
    assert [frame.step for frame in frames] == [1, 2, 3, 4]
    assert all(frame.num_steps == 4 for frame in frames)
    for frame in frames:
        assert frame.levels.dtype == torch.uint8
        assert torch.equal(frame.levels[:, :, known], image[:, known].expand(3, -1, -1))


def test_the_log_density_is_that_of_the_hidden_given_the_known(
    model: Autoregressive, image: Tensor, known: Tensor
) -> None:
    """Two completions differ by as much as their whole images do: what is known cancels."""
    *_, last = complete(model, image, known, num=4, seed=2)
    whole = model.log_mass(last.levels)
    assert torch.allclose(last.log_density.diff(), whole.diff(), atol=1e-9)


@pytest.mark.parametrize("name", AUTOREGRESSIVE)
def test_completions_come_as_often_as_enumeration_says(name: str) -> None:
    model, known = build(name, (1, 2, 2), 3), torch.tensor([[True, False], [False, False]])
    image = torch.full((1, 2, 2), 2, dtype=torch.uint8)
    every = torch.tensor([[2, *rest] for rest in itertools.product(range(3), repeat=3)]).view(-1, 1, 2, 2)
    expected = torch.softmax(model.log_mass(every), 0).detach()
    counts = torch.zeros(27)
    for seed in range(20):
        *_, last = complete(model, image, known, num=200, seed=seed)
        index = (last.levels.flatten(1)[:, 1:].long() * torch.tensor([9, 3, 1])).sum(1)
        counts += torch.bincount(index, minlength=27)
    assert chisquare(counts.numpy(), (expected * counts.sum()).numpy()).pvalue > 0.001
    wrong = torch.softmax(model.log_mass(every - torch.tensor([[[2, 0], [0, 0]]])), 0).detach()
    assert chisquare(counts.numpy(), (wrong * counts.sum()).numpy()).pvalue < 0.001  # had it not heard of the known one


def test_a_variant_is_its_own(model: Autoregressive, image: Tensor, known: Tensor) -> None:
    *_, together = complete(model, image, known, num=4, seed=7)
    *_, alone = complete(model, image, known, num=1, seed=7, first=2)
    assert torch.equal(together.levels[2], alone.levels[0])


def test_at_temperature_zero_all_variants_are_the_likeliest(
    model: Autoregressive, image: Tensor, known: Tensor
) -> None:
    *_, last = complete(model, image, known, num=3, seed=7, options={"temperature": 0})
    assert (last.levels == last.levels[0]).all()


def test_colours_share_one_hole() -> None:
    model = build("gated_pixelcnn", (3, 3, 3), 4)
    image = torch.randint(0, 4, (3, 3, 3), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    known = torch.zeros(3, 3, dtype=torch.bool)
    known[:2] = True
    *_, last = complete(model, image, known, num=2, seed=0)
    assert torch.equal(last.levels[:, :, :2], image[:, :2].expand(2, -1, -1, -1))


def test_a_hole_with_something_known_after_it_is_refused(model: Autoregressive, image: Tensor, known: Tensor) -> None:
    known[3, 3] = True
    with pytest.raises(FlowgenError, match=r"after everything known: .* choose raster_smc"):
        complete(model, image, known, method="in_order")


def test_a_method_is_refused_where_it_does_not_fit(model: Autoregressive, image: Tensor, known: Tensor) -> None:
    with pytest.raises(FlowgenError, match="no gradient to follow; these methods fit: in_order, raster_smc"):
        complete(model, image, known, method="langevin")
    flow = FLOWS["nice"](hidden=4).build((1, 4, 4), 5)
    assert not {"in_order", "raster_smc", "gibbs"} & set(methods_of(flow))
    with pytest.raises(FlowgenError, match="does not draw pixel after pixel; these methods fit: gradient_ascent"):
        complete(flow, image, known, method="in_order")


def test_the_usual_method_is_exact_where_it_can_be(model: Autoregressive, known: Tensor) -> None:
    assert methods_of(model)[0] == "raster_smc"
    assert methods_of(model, known)[0] == "in_order"
    assert methods_of(model, ~known)[0] == "raster_smc"
    known[3, 3] = True
    assert methods_of(model, known)[0] == "raster_smc"
    assert set(methods_of(model, known)) == set(methods_of(model))


def test_drawing_ends_in_the_samples_of_the_seed(model: Autoregressive) -> None:
    stages = list(draw(model, 3, seed=4, temperature=0.8))
    assert [done for done, _ in stages] == [0.25, 0.5, 0.75, 1.0]
    expected = (model.sample(3, seed=4, temperature=0.8) * 5).floor().to(torch.uint8)
    assert torch.equal(stages[-1][1], expected)
    for row, (_, levels) in enumerate(stages, 1):
        assert torch.equal(levels[:, :, :row], expected[:, :, :row])


def test_drawing_a_class() -> None:
    model = GatedPixelCNN(hidden=6, dilations="1", embedding=3, num_classes=3).build((1, 3, 3), 4).double()
    *_, (_, levels) = draw(model, 2, seed=0, label=1)
    assert torch.equal(levels, (model.given(1).sample(2, seed=0) * 4).floor().to(torch.uint8))
    with pytest.raises(FlowgenError, match="no class 3"):
        list(draw(model, 2, label=3))


def test_drawing_from_a_flow_is_done_at_once() -> None:
    flow = FLOWS["nice"](hidden=4).build((1, 4, 4), 5)
    ((done, levels),) = draw(flow, 2, seed=0)
    assert done == 1
    assert levels.shape == (2, 1, 4, 4)
