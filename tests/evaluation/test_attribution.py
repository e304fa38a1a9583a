"""Where the bits go: exactly where a model pays pixel by pixel, by brute force where it weighs an image as a whole."""

import itertools
import math

import pytest
import torch
from torch import Tensor

import flowgen
from flowgen import rng
from flowgen.data import Images
from flowgen.errors import FlowgenError
from flowgen.evaluation import attribute, bits_per_dim
from flowgen.evaluation.attribution import neighbours_median
from flowgen.models import MODELS, Autoregressive, ImageModel
from flowgen.models.dequantized import Dequantized

SHAPE, LEVELS = (2, 2, 2), 2


def last(model: ImageModel, levels: Tensor) -> Tensor:
    *_, found = attribute(model, levels)
    assert found.done == 1
    return found.bits


def tiny_autoregressive(num_classes: int) -> Autoregressive:
    """Two colours, 2 x 2, two levels: 256 images. Its weights are large, so that the conditionals differ."""
    torch.manual_seed(3)
    recipe = MODELS["gated_pixelcnn"](hidden=4, dilations="1", embedding=2, num_classes=num_classes)
    model = recipe.build(SHAPE, LEVELS)
    assert isinstance(model, Autoregressive)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    return model.double().requires_grad_(False)


@pytest.mark.parametrize("num_classes", [0, 3])
def test_the_bits_of_a_pixel_are_those_of_enumeration(num_classes: int) -> None:
    model = tiny_autoregressive(num_classes)
    every = torch.tensor(list(itertools.product(range(LEVELS), repeat=8))).view(-1, *SHAPE)
    mass = model.log_mass(every).exp()
    assert float(mass.sum()) == pytest.approx(1)
    image = every[173]
    order = [(c, h, w) for h in range(2) for w in range(2) for c in range(2)]
    bits, agree, before = last(model, image), torch.ones(len(every), dtype=torch.bool), 1.0
    for at in order:
        agree &= every[:, *at] == image[at]
        until = float(mass[agree].sum())
        assert float(bits[at]) == pytest.approx(-math.log2(until / before), abs=1e-9)
        before = until
    assert float(bits.std()) > 0.1


@pytest.mark.parametrize("name", ["pixelcnn-mnist", "gated_pixelcnn-mnist"])
def test_the_bits_of_the_pixels_add_up_to_the_images(name: str, mnist: Images) -> None:
    model = flowgen.load(name, "cpu")
    for levels in mnist.levels[:3]:
        assert float(last(model, levels).sum()) == pytest.approx(784 * float(bits_per_dim(model, levels[None])[0]))


@pytest.fixture
def tiny_flow() -> Dequantized:
    torch.manual_seed(1)
    model = MODELS["realnvp"](hidden=4, blocks=1, couplings=2, scales=1).build((1, 4, 4), 8)
    assert isinstance(model, Dequantized)
    with torch.no_grad():
        model.initialize(torch.rand(16, 1, 4, 4))
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model.double().requires_grad_(False)


def test_a_flows_bits_are_those_of_two_values_and_at_most_those_of_all(tiny_flow: Dequantized) -> None:
    image = torch.randint(8, (1, 4, 4), generator=torch.Generator().manual_seed(5))
    noise = rng.uniform((1, 1, 4, 4), rng.generator_for(0, 0), dtype=torch.float64)
    bits, suggested = last(tiny_flow, image), neighbours_median(image)
    for j, i in itertools.product(range(4), range(4)):
        every = image.repeat(8, 1, 1, 1)
        every[:, 0, j, i] = torch.arange(8)
        density = tiny_flow.log_prob((every + noise) / 8).exp()
        own, other = density[image[0, j, i]], density[suggested[0, j, i]]
        two = own + other if image[0, j, i] != suggested[0, j, i] else own
        assert float(bits[0, j, i]) == pytest.approx(-math.log2(float(own / two)), abs=1e-9)
        assert float(bits[0, j, i]) <= -math.log2(float(own / density.sum())) + 1e-9
    assert float(bits.max()) > 1


def test_a_flows_map_comes_part_by_part_and_what_is_there_stays(tiny_flow: Dequantized) -> None:
    torch.manual_seed(0)
    model = MODELS["nice"](hidden=4, blocks=1, couplings=2).build((1, 16, 16))
    image = torch.randint(256, (1, 16, 16), generator=torch.Generator().manual_seed(5))
    parts = list(attribute(model, image))
    assert [part.done for part in parts] == sorted(part.done for part in parts)
    assert len(parts) == 4
    first, whole = parts[0].bits, parts[-1].bits
    assert 0 < int((first > 0).sum()) <= 64 < int((whole > 0).sum())
    assert torch.equal(first[first > 0], whole[first > 0])


@pytest.mark.parametrize("name", ["glow-mnist", "gated_pixelcnn-mnist"])
def test_a_speck_is_what_costs_most(name: str, mnist: Images) -> None:
    image = mnist.levels[0].clone()
    image[0, 25, 4] = 200
    bits = last(flowgen.load(name, "cpu").frozen(), image)
    assert divmod(int(bits.argmax()), 28) == (25, 4)


def test_a_blank_picture_costs_a_flow_nothing_that_its_neighbours_do_not_tell() -> None:
    bits = last(flowgen.load("nice-mnist", "cpu"), torch.zeros(1, 28, 28, dtype=torch.uint8))
    assert float(bits.abs().max()) == 0


def test_the_median_of_the_neighbours_leaves_the_pixel_out_and_goes_on_beyond_the_border() -> None:
    levels = torch.tensor([[[0, 0, 9], [0, 200, 9], [7, 9, 9]]], dtype=torch.uint8)
    around = neighbours_median(levels)
    assert int(around[0, 1, 1]) == 7, "the lower middle of 0 0 0 7 9 9 9 9"
    assert int(around[0, 0, 0]) == 0
    assert int(around[0, 2, 2]) == 9
    assert around.dtype == torch.uint8


def test_what_is_no_image_of_the_models_is_refused() -> None:
    model = flowgen.load("nice-mnist", "cpu")
    with pytest.raises(FlowgenError, match="images of shape"):
        next(attribute(model, torch.zeros(1, 8, 8, dtype=torch.uint8)))
