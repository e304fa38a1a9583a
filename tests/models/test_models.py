"""Every flow in the registry: the inverse, the likelihood, the latent, the mass, the gradients, the checkpoint."""

import itertools
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from flowgen.bijections import ActNorm
from flowgen.checkpoint import Meta, build, load, save_checkpoint
from flowgen.errors import FlowgenError
from flowgen.models import FLOWS, ImageModel

SMALL: dict[str, dict[str, Any]] = {
    "nice": {"couplings": 3, "hidden": 8, "blocks": 1},
    "realnvp": {"couplings": 2, "hidden": 8},
    "glow": {"depth": 2, "hidden": 8},
}
SHAPES = [(1, 8, 8), (3, 8, 8), (1, 4, 12), (6,)]


def make(recipe: str, shape: tuple[int, ...], levels: int = 256, **hyperparameters: Any) -> Any:
    """A small model in float64 whose parameters are all away from their start."""
    torch.manual_seed(0)
    model: Any = build(Meta(recipe, SMALL[recipe] | hyperparameters, shape, levels))
    model.double().initialize(torch.rand(16, *shape, dtype=torch.float64))
    for parameter in model.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    return model


OPTIONS: list[tuple[str, dict[str, Any]]] = [*((name, {}) for name in FLOWS)]
OPTIONS += [("glow", {"coupling": "additive"}), ("glow", {"coupling": "mixture", "components": 3})]


@pytest.fixture(params=itertools.product(OPTIONS, SHAPES), ids=str)
def model(request: pytest.FixtureRequest) -> Any:
    (recipe, options), shape = request.param
    return make(recipe, shape, **options)


def pixels(model: ImageModel, n: int = 3) -> Tensor:
    return torch.rand(n, *model.event_shape, dtype=torch.float64)


def test_every_recipe_is_tested_here() -> None:
    assert SMALL.keys() == FLOWS.keys()


def test_offers_the_interface(model: Any) -> None:
    assert isinstance(model, ImageModel)


def test_decode_undoes_encode(model: Any) -> None:
    x = pixels(model)
    z = model.encode(x)
    assert z.shape == (3, x[0].numel())
    assert (model.decode(z) - x).abs().max() < 1e-9


def test_another_shape_is_refused_in_a_sentence(model: Any) -> None:
    wrong = torch.rand(2, *model.event_shape[:-1], model.event_shape[-1] + 1, dtype=torch.float64)
    for reads in (model.encode, model.log_prob):
        with pytest.raises(FlowgenError, match=r"takes images of shape \(.*\), and was given"):
            reads(wrong)
    with pytest.raises(FlowgenError, match="takes latents of shape"):
        model.decode(wrong.flatten(1))


def test_encode_undoes_decode(model: Any) -> None:
    z = model.prior.sample(3, temperature=0.3, seed=0)  # wider ones reach values next to 1, where floats are scarce
    assert (model.encode(model.decode(z)) - z).abs().max() < 1e-6


def test_log_prob_is_prior_plus_jacobian(model: Any) -> None:
    x = pixels(model, 1)
    jacobian = torch.autograd.functional.jacobian(lambda one: model.encode(one[None])[0], x[0])
    volume = torch.linalg.slogdet(jacobian.reshape(x.numel(), x.numel())).logabsdet
    expected = model.prior.log_prob(model.encode(x)) + volume
    assert (model.log_prob(x) - expected).abs().max() < 1e-8 * max(1, expected.abs().max())


def test_sample_and_log_prob_agree(model: Any) -> None:
    x, log_prob = model.sample_and_log_prob(3, seed=5)
    assert torch.equal(x, model.sample(3, seed=5))
    assert torch.allclose(model.log_prob(x), log_prob, rtol=1e-7)


def test_a_gradient_reaches_every_parameter(model: Any) -> None:
    levels = torch.randint(0, 256, (3, *model.event_shape))
    model.bound(levels, torch.rand(levels.shape, dtype=torch.float64)).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize(("recipe", "shape"), [*itertools.product(FLOWS, SHAPES)])
def test_a_checkpoint_keeps_every_bit(recipe: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    model = make(recipe, shape).float()
    path = tmp_path / "model.safetensors"
    save_checkpoint(path, model, Meta(recipe, SMALL[recipe], shape))
    back: Any = load(path, "cpu")
    for name, value in model.state_dict().items():
        assert torch.equal(back.state_dict()[name], value), name
    x = pixels(model).float()
    assert torch.equal(back.log_prob(x), model.log_prob(x))


def test_frozen_is_the_same_model(model: Any) -> None:
    x = pixels(model)
    frozen = model.frozen()
    assert torch.allclose(frozen.log_prob(x), model.log_prob(x), rtol=1e-12)
    assert torch.allclose(frozen.decode(model.encode(x)), x, atol=1e-9)
    assert not any(parameter.requires_grad for parameter in frozen.parameters())
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_sample_i_depends_on_the_seed_and_i_alone(model: Any) -> None:
    assert torch.allclose(model.sample(4, seed=9)[:2], model.sample(2, seed=9), atol=1e-9)


@pytest.mark.parametrize("recipe", FLOWS)
def test_more_importance_samples_tighten_the_bound(recipe: str) -> None:
    model = make(recipe, (1, 8, 8), levels=2, logit=True)
    levels = torch.randint(0, 2, (64, 1, 8, 8))
    one = model.log_mass(levels, generator=torch.Generator().manual_seed(0))
    many = model.log_mass(levels, num_samples=32, generator=torch.Generator().manual_seed(1))
    assert many.mean() > one.mean() + 1


def test_given_is_refused_with_a_sentence(model: Any) -> None:
    with pytest.raises(FlowgenError, match="without classes"):
        model.given(3)


@pytest.mark.parametrize("recipe", FLOWS)
def test_the_masses_of_all_images_sum_to_one(recipe: str) -> None:
    """With uniform noise log_mass is an unbiased estimate of mass: over all 9 images of 2 pixels it sums to 1."""
    model = make(recipe, (2,), levels=3, logit=True)
    images = torch.tensor([*itertools.product(range(3), repeat=2)])
    generator = torch.Generator().manual_seed(0)
    sums = torch.stack(
        [model.log_mass(images, num_samples=400, generator=generator).exp().sum().detach() for _ in range(30)]
    )
    assert abs(sums.mean() - 1) < 4 * sums.std() / math.sqrt(len(sums)) + 1e-3
    assert sums.std() < 0.1


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        (torch.rand(1, 6), "integer levels"),
        (torch.ones(1, 6, dtype=torch.bool), "integer levels"),
        (torch.zeros(1, 5, dtype=torch.int64), "shape"),
        (torch.full((1, 6), 256), "Levels run from 0 to 255"),
        (torch.full((1, 6), -1), "Levels run from 0 to 255"),
    ],
)
def test_log_mass_refuses_what_is_no_image(levels: Tensor, message: str) -> None:
    with pytest.raises(FlowgenError, match=message):
        make("glow", (6,)).log_mass(levels)


def test_log_mass_refuses_no_samples() -> None:
    with pytest.raises(FlowgenError, match="at least 1"):
        make("glow", (6,)).log_mass(torch.zeros(1, 6, dtype=torch.uint8), num_samples=0)


def test_bits_per_dim_is_never_a_density_at_a_midpoint(mnist_levels: Tensor) -> None:
    """The mass of a level is bounded by 1; a density is not: an untrained model shows the difference."""
    model = make("glow", (1, 28, 28))
    assert (model.log_mass(mnist_levels[:4]) < 0).all()


def test_a_colour_image_and_an_odd_one(cifar10_levels: Tensor) -> None:
    assert make("realnvp", (3, 32, 32)).log_mass(cifar10_levels[:2]).isfinite().all()
    assert make("glow", (1, 28, 28), scales=2).sample(2, seed=0).shape == (2, 1, 28, 28)


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
@pytest.mark.parametrize("deepen", [0, 1])
def test_a_glow_that_starts_as_a_wavelet_pyramid_keeps_the_coarse_image(depth: int, deepen: int) -> None:
    hyperparameters = {"depth": depth, "deepen": deepen, "logit": False, "mixture": 0, "wavelet": True}
    model = FLOWS["glow"](hidden=4, scales=2, coordinates=False, **hyperparameters).build((3, 8, 8))
    x = torch.rand(2, 3, 8, 8)
    coarse = 4 * torch.nn.functional.avg_pool2d(x, 4)  # each of two scales halves the sum of a 2x2 block
    assert torch.allclose(model.encode(x)[:, : 3 * 2 * 2], coarse.flatten(1), atol=1e-5)


def test_each_scale_of_a_glow_has_so_many_steps_more() -> None:
    model = FLOWS["glow"](hidden=4, scales=3, depth=1, deepen=2).build((1, 16, 16))
    actnorms = [part for part in model.modules() if isinstance(part, ActNorm)]
    assert len(actnorms) == 1 + 3 + 5 + 1  # and the last scale's end
