"""Autoregressive models on worlds small enough to count every image, and on real digits."""

import copy
import itertools
import math
from typing import Any

import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor

from flowgen import rng
from flowgen.data import to_bytes
from flowgen.errors import FlowgenError
from flowgen.models import ImageModel
from flowgen.models.autoregressive import AT_ONCE, Autoregressive
from flowgen.models.factors import FACTORS, cdf, icdf
from flowgen.models.gated_pixelcnn import GatedPixelCNN
from flowgen.models.pixelcnn import PixelCNN

RECIPES: dict[str, type[PixelCNN] | type[GatedPixelCNN]] = {"pixelcnn": PixelCNN, "gated_pixelcnn": GatedPixelCNN}
WORLDS: list[tuple[tuple[int, ...], int]] = [((1, 2, 2), 3), ((1, 2, 2), 2), ((3, 1, 2), 3)]
FITS = [
    (shape, levels, factor) for shape, levels in WORLDS for factor in FACTORS if factor != "bernoulli" or levels == 2
]
CLASSES = 3
DRAWS = 5_000

over_recipes = pytest.mark.parametrize("recipe", RECIPES)


def make(
    recipe: str, shape: tuple[int, ...] = (1, 2, 2), levels: int = 3, factor: Any = "categorical", classes: int = 0
) -> Autoregressive:
    """A small model in float64 whose parameters are all far from their start, so that no two images are alike."""
    torch.manual_seed(0)
    build = RECIPES[recipe](hidden=12, dilations="1 2", embedding=3, factor=factor, num_classes=classes).build
    model = build(shape, levels).double()
    for parameter in model.parameters():
        parameter.data += 0.2 * torch.randn_like(parameter)
    model.net.out.weight.data *= 3
    return model.requires_grad_(False)


@pytest.fixture(
    params=[*itertools.product(RECIPES, FITS)],
    ids=lambda case: f"{case[0]}-{'x'.join(map(str, case[1][0]))} of {case[1][1]}-{case[1][2]}",
)
def model(request: pytest.FixtureRequest) -> Autoregressive:
    """Every net with every factor that fits, in every world."""
    recipe, (shape, levels, factor) = request.param
    return make(recipe, shape, levels, factor)


@pytest.fixture(params=[*itertools.product(RECIPES, WORLDS[::2])], ids=lambda case: f"{case[0]}-{case[1][0]}")
def classy(request: pytest.FixtureRequest) -> Autoregressive:
    """Every net with classes, gray and in colours."""
    recipe, (shape, levels) = request.param
    return make(recipe, shape, levels, classes=CLASSES)


def every_image(model: Autoregressive) -> Tensor:
    """All images of a model's world, (L^d, c, h, w), counted up in scan order: the first pixel's red is the slowest."""
    c, h, w = model.event_shape
    counted = torch.tensor([*itertools.product(range(model.levels), repeat=c * h * w)])
    return counted.view(-1, h, w, c).permute(0, 3, 1, 2).contiguous()


def number(model: Autoregressive, x: Tensor) -> Tensor:
    """Which of every_image each pixel image is: (b,)."""
    digits = to_bytes(x, model.levels).permute(0, 2, 3, 1).flatten(1).long()
    return (digits * model.levels ** torch.arange(digits.shape[1] - 1, -1, -1)).sum(1)


def conditionals(model: Autoregressive) -> Tensor:
    """p(k_t | k_<t) of every image by counting alone: (L^d, d)."""
    table = model.log_mass(every_image(model)).exp()
    d, levels = math.prod(model.event_shape), model.levels
    sums = [table.view(levels**t, -1).sum(1).repeat_interleave(levels ** (d - t)) for t in range(d + 1)]
    return torch.stack([sums[t + 1] / sums[t] for t in range(d)], 1)


def follows(model: Autoregressive, x: Tensor, probabilities: Tensor) -> bool:
    """Whether draws are plausibly from these probabilities of every_image, by a chi-square test."""
    counts = torch.bincount(number(model, x), minlength=len(probabilities)).double()
    expected = probabilities * len(x)
    assert counts[probabilities == 0].sum() == 0
    rare = expected < 5
    counts = torch.cat((counts[~rare], counts[rare].sum()[None]))
    expected = torch.cat((expected[~rare], expected[rare].sum()[None]))
    if expected[-1] < 5:
        counts, expected = counts[:-1], expected[:-1] * (counts[:-1].sum() / expected[:-1].sum())
    assert len(counts) > 2  # or there would be nothing to compare
    return bool(chisquare(counts.numpy(), expected.numpy()).pvalue > 0.001)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pixels(model: Autoregressive, n: int = 4) -> Tensor:
    return torch.rand(n, *model.event_shape, dtype=torch.float64, generator=generator(5))


def uniforms(model: Autoregressive, n: int) -> Tensor:
    return torch.rand(n, math.prod(model.event_shape), dtype=torch.float64, generator=generator(7))


def naive(model: Autoregressive, z: Tensor) -> Tensor:
    """Decode to levels with a whole forward for each pixel; classes are weighed by Bayes's rule."""
    u = z.view(-1, *model.event_shape)
    levels = torch.zeros(u.shape, dtype=torch.long)
    classes = range(model.num_classes) if model.num_classes else [model.label]
    labels = [None if y is None else torch.full((len(z),), y) for y in classes]
    history = torch.zeros(len(z), len(labels), dtype=torch.float64)
    c, h, w = model.event_shape
    for row, column, channel in itertools.product(range(h), range(w), range(c)):
        each = []
        for label in labels:
            at_pixel = model.net(levels, label)[:, :, row, column].chunk(model.net.groups, 1)
            each.append(model.factor.log_probs(at_pixel[channel % len(at_pixel)], levels[:, :channel, row, column]))
        log_probs = torch.stack(each, 1)
        mixed = torch.logsumexp(log_probs + torch.log_softmax(history, 1)[..., None], 1)
        k = icdf(cdf(mixed), u[:, channel, row, column])
        history += log_probs.gather(2, k[:, None, None].expand(-1, len(labels), 1))[..., 0]
        levels[:, channel, row, column] = k
    return levels


def test_offers_the_interface(model: Autoregressive) -> None:
    assert isinstance(model, ImageModel)


def test_the_masses_of_all_images_sum_to_one(model: Autoregressive) -> None:
    mass = model.log_mass(every_image(model)).exp()
    assert abs(mass.sum().item() - 1) < 1e-9
    assert mass.max() > 3 * mass.min()  # and they are not all alike


@pytest.mark.parametrize("num", [1, AT_ONCE, AT_ONCE + 1, 2 * AT_ONCE + 5])
def test_however_many_images_are_scored_each_has_its_own_mass(classy: Autoregressive, num: int) -> None:
    """Without gradients they go through the net a few at a time, with their labels."""
    images = every_image(classy).repeat(2 * AT_ONCE, 1, 1, 1)[:num]
    labels = torch.arange(num) % CLASSES
    together, mixed = classy.bound(images, torch.empty(0), labels), classy.log_mass(images)
    with torch.no_grad():
        torch.testing.assert_close(classy.bound(images, torch.empty(0), labels), together)
        torch.testing.assert_close(classy.log_mass(images), mixed)


def test_samples_are_as_frequent_as_their_masses(model: Autoregressive) -> None:
    x, log_mass = model.sample(DRAWS, generator=generator()), model.log_mass(every_image(model))
    assert follows(model, x, log_mass.exp())
    assert not follows(model, x, torch.softmax(0.7 * log_mass, 0))  # another distribution would be found out


def test_tempered_samples_follow_the_tempered_conditionals(model: Autoregressive) -> None:
    """Softmax of log p / T of each conditional, not of the whole image's log-mass."""
    levels, d = model.levels, math.prod(model.event_shape)
    probabilities = torch.ones(levels**d, dtype=torch.float64)
    for t, p in enumerate(conditionals(model).T):
        alternatives = p.view(levels**t, levels, -1) ** (1 / 0.6)
        probabilities *= (alternatives / alternatives.sum(1, keepdim=True)).flatten()
    assert follows(model, model.sample(DRAWS, temperature=0.6, generator=generator()), probabilities)


def test_temperature_0_gives_each_conditionals_mode(model: Autoregressive) -> None:
    x = model.sample(4, temperature=0, seed=0)
    drawn = number(model, x)
    assert (drawn == drawn[0]).all()
    levels, d = model.levels, math.prod(model.event_shape)
    for t, p in enumerate(conditionals(model).T):
        mine = drawn[0] // levels ** (d - t - 1)
        siblings = p.view(levels ** (t + 1), -1)[mine // levels * levels :][:levels, 0]
        assert siblings.argmax() == mine % levels


def test_decode_undoes_encode(model: Autoregressive) -> None:
    x = pixels(model, 64)
    z = model.encode(x)
    assert z.shape == (64, x[0].numel())
    assert z.dtype == torch.float64
    assert ((z > 0) & (z < 1)).all()
    assert (model.decode(z) - x).abs().max() < 2.0**-15
    inside = x.clone().mul_(model.levels).frac().sub(0.5).abs().flatten(1).amax(1) < 0.5 - 2.0**-14
    assert inside.sum() > 50
    assert (model.decode(z) - x)[inside].abs().max() < 1e-9


def test_encode_undoes_decode(model: Autoregressive) -> None:
    z = uniforms(model, 64)
    assert (model.encode(model.decode(z)) - z).abs().max() < 2.0**-15
    assert (model.encode(model.decode(z)) - z).abs().median() < 1e-14


def test_the_ends_of_a_level_belong_to_it(model: Autoregressive) -> None:
    edges = torch.arange(model.levels + 1, dtype=torch.float64) / model.levels
    x = edges.view(-1, 1, 1, 1).expand(-1, *model.event_shape)
    for precise in (x, x.float()):
        assert torch.equal(to_bytes(model.decode(model.encode(precise)), model.levels), to_bytes(precise, model.levels))


def test_encode_has_the_log_determinant_log_prob(model: Autoregressive) -> None:
    """Within a level, encode moves each u_t with its own x_t alone, by p_t L: so the Jacobian is this diagonal."""
    size = math.prod(model.event_shape)
    level = torch.randint(0, model.levels, model.event_shape, generator=generator(2))
    start = ((level + 0.25) / model.levels).double().flatten()
    moved = start + torch.diag(torch.full((size,), 0.5 / model.levels).double())
    z = model.encode(torch.cat((start[None], moved)).view(-1, *model.event_shape))
    jacobian = (z[1:] - z[0]) * 2 * model.levels
    assert (jacobian - torch.diag(jacobian.diag())).abs().max() < 1e-12
    log_prob = model.log_prob(start.view(1, *model.event_shape))
    assert torch.allclose(jacobian.diag().log().sum(), log_prob, atol=1e-8)
    log_mass = model.log_mass(level[None])
    assert torch.allclose(log_prob, log_mass + size * math.log(model.levels), atol=1e-12)


def test_what_the_cached_pass_chooses_from_adds_up_to_log_mass(model: Autoregressive) -> None:
    images = every_image(model)
    total = torch.zeros(len(images), dtype=torch.float64)

    def choose(at: tuple[int, int, int], log_probs: Tensor) -> Tensor:
        total.add_(log_probs.gather(1, images[:, *at, None])[:, 0])
        return images[:, *at]

    assert [*model.scan(len(images), choose)] == [*range(model.event_shape[1])]
    assert (total - model.log_mass(images)).abs().max() < 1e-10


@over_recipes
@pytest.mark.parametrize("factor", ["categorical", "logistic_mixture"])
@pytest.mark.parametrize("shape", [(1, 6, 7), (3, 4, 3)], ids=str)
def test_a_seed_gives_the_same_image_on_both_ways(recipe: str, factor: str, shape: tuple[int, ...]) -> None:
    model = make(recipe, shape, 256, factor)
    x = model.sample(3, seed=11)
    draws = rng.keyed_uniform(model.prior.event_shape, 11, range(3)).double()
    assert torch.equal(to_bytes(x), naive(model, draws).byte())
    assert len(to_bytes(x).unique()) > 3


def test_sample_i_depends_on_the_seed_and_i_alone(model: Autoregressive) -> None:
    five, two = model.sample(5, seed=9), model.sample(2, seed=9)
    assert (five[:2] - two).abs().max() < 1e-12
    assert not torch.equal(two, model.sample(2, seed=10))
    assert torch.equal(model.sample(3, generator=generator()), model.sample(3, generator=generator()))


@pytest.mark.parametrize("known_pixels", [[0], [0, 1], [2], [1, 3]], ids=str)
@over_recipes
def test_what_follows_known_pixels_is_conditioned_on_them(recipe: str, known_pixels: list[int]) -> None:
    model = make(recipe)
    image = torch.tensor([2, 0, 1, 2])
    known = torch.zeros(4, dtype=torch.bool)
    known[known_pixels] = True
    *_, drawing = model.draw(uniforms(model, DRAWS), levels=image.view(1, 2, 2), known=known.view(1, 2, 2))
    x = drawing.x
    assert (to_bytes(x, 3).flatten(1)[:, known] == image[known]).all()
    fits = (every_image(model).flatten(1)[:, known] == image[known]).all(1)
    hidden_ones = conditionals(model)[:, ~known].prod(1) * fits
    assert hidden_ones.sum().item() == pytest.approx(1)
    assert follows(model, x, hidden_ones)
    if known_pixels in ([0], [0, 1]):  # what is hidden comes last: an exact completion
        posterior = model.log_mass(every_image(model)).exp() * fits
        assert torch.allclose(hidden_ones, posterior / posterior.sum(), atol=1e-12)


@over_recipes
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_known_pixels_come_back_byte_for_byte(recipe: str, temperature: float, cifar10_levels: Tensor) -> None:
    model = make(recipe, (3, 6, 5), 256, "logistic_mixture").float()
    levels = cifar10_levels[:4, :, 10:16, 10:15]
    known = torch.rand(levels.shape, generator=generator()) < 0.5
    *_, drawing = model.draw(uniforms(model, 4), temperature=temperature, levels=levels, known=known)
    x = drawing.x
    for precision in (torch.float64, torch.float32):
        assert torch.equal(to_bytes(x.to(precision))[known], levels[known])
    assert not torch.equal(to_bytes(x), levels)


def test_rows_arrive_one_by_one() -> None:
    model = make("gated_pixelcnn", (1, 4, 3), 256)
    z = uniforms(model, 2)
    for rows, drawing in enumerate(model.draw(z), 1):
        assert drawing.rows == rows
        assert (drawing.x[:, :, :rows] > 0).all()
        assert (drawing.x[:, :, rows:] == 0).all()
        if rows == 3:
            break  # a page's Stop
    assert torch.equal(drawing.x[:, :, :3], model.decode(z)[:, :, :3])
    assert torch.is_grad_enabled()


@over_recipes
@pytest.mark.parametrize("confidence", [1, 300])
def test_real_digits_come_back_byte_for_byte(recipe: str, confidence: float, mnist_levels: Tensor) -> None:
    """In float32, also where the model is sure of something else and holds most of a digit for all but impossible."""
    model = make(recipe, (1, 28, 28), 256).float()
    model.net.out.weight *= confidence
    levels = mnist_levels[:6]
    assert (model.log_mass(levels).min() < -1e5) == (confidence > 1)
    x = model.decode(model.encode((levels + 0.5) / 256))
    assert x.dtype == torch.float32
    assert torch.equal(to_bytes(x), levels)


@over_recipes
@pytest.mark.parametrize("factor", ["categorical", "logistic_mixture"])
def test_real_photographs_come_back_byte_for_byte(recipe: str, factor: str, cifar10_levels: Tensor) -> None:
    model = make(recipe, (3, 8, 7), 256, factor).float()
    levels = cifar10_levels[:6, :, 12:20, 12:19]
    assert torch.equal(to_bytes(model.decode(model.encode((levels + 0.5) / 256))), levels)


def test_bytes_and_wider_integers_have_the_same_mass(mnist_levels: Tensor, cifar10_levels: Tensor) -> None:
    for recipe, factor in itertools.product(RECIPES, ("categorical", "logistic_mixture")):
        for levels in (mnist_levels[:2, :, 10:16, 10:16], cifar10_levels[:2, :, :6, :6]):
            model = make(recipe, tuple(levels.shape[1:]), 256, factor)
            assert levels.max() > 127
            assert torch.equal(model.log_mass(levels), model.log_mass(levels.long()))


def test_a_mixture_over_classes_sums_to_one_as_each_class_does(classy: Autoregressive) -> None:
    images = every_image(classy)
    assert abs(classy.log_mass(images).exp().sum().item() - 1) < 1e-9
    each = torch.stack([classy.given(y).log_mass(images) for y in range(CLASSES)])
    assert (each.exp().sum(1) - 1).abs().max() < 1e-9
    assert (each[0] - each[1]).abs().max() > 0.1
    assert torch.allclose(classy.log_mass(images), torch.logsumexp(each, 0) - math.log(CLASSES), atol=1e-12)


def test_samples_of_classes_and_of_their_mixture_are_as_frequent_as_their_masses(classy: Autoregressive) -> None:
    images = every_image(classy)
    each = [classy.given(y).log_mass(images).exp() for y in range(CLASSES)]
    x = classy.sample(DRAWS, generator=generator())
    assert follows(classy, x, torch.stack(each).mean(0))
    assert not follows(classy, x, each[0])
    for y in range(CLASSES):
        assert follows(classy, classy.given(y).sample(DRAWS, generator=generator()), each[y])


def test_classes_have_a_latent_and_the_same_image_both_ways(classy: Autoregressive) -> None:
    z = uniforms(classy, 32)
    for one in (classy, classy.given(2)):
        assert torch.equal(to_bytes(one.decode(z), one.levels), naive(one, z).byte())
        assert (one.encode(one.decode(z)) - z).abs().median() < 1e-14
        x = pixels(one)
        assert (one.decode(one.encode(x)) - x).abs().max() < 2.0**-15


def test_training_is_given_the_labels(classy: Autoregressive) -> None:
    levels, labels = every_image(classy)[:6], torch.tensor([0, 1, 2, 0, 1, 2])
    expected = torch.stack([classy.given(int(y)).log_mass(levels)[i] for i, y in enumerate(labels)])
    noise = torch.rand(levels.shape)
    assert torch.allclose(classy.bound(levels, noise, labels), expected, atol=1e-12)
    assert torch.equal(classy.bound(levels, noise), classy.log_mass(levels))
    one = classy.given(1)
    assert torch.equal(one.bound(levels, noise), one.log_mass(levels))


@over_recipes
@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("classes", [0, CLASSES])
def test_a_gradient_reaches_every_parameter(recipe: str, factor: str, classes: int) -> None:
    model = make(recipe, (3, 4, 5), 2, factor, classes).requires_grad_(True)
    levels = torch.randint(0, 2, (6, 3, 4, 5), generator=generator())
    for labels in (torch.arange(6) % CLASSES, None):
        model.zero_grad()
        model.bound(levels, torch.rand(levels.shape), labels).sum().backward()
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0, name


def test_frozen_is_the_same_model(classy: Autoregressive) -> None:
    learning = copy.deepcopy(classy).requires_grad_(True)
    frozen = learning.frozen()
    assert torch.equal(frozen.log_mass(every_image(classy)), learning.log_mass(every_image(classy)))
    assert torch.equal(frozen.sample(3, seed=0), learning.sample(3, seed=0))
    assert not any(parameter.requires_grad for parameter in frozen.parameters())
    assert all(parameter.requires_grad for parameter in learning.parameters())


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.full((1, 1, 2, 2), 1.01), r"lie in \[0, 1\]"),
        (torch.full((1, 1, 2, 2), -0.01), r"lie in \[0, 1\]"),
        (torch.full((1, 1, 2, 2), math.nan), "not numbers"),
        (torch.zeros(1, 1, 2, 3), "shape"),
        (torch.zeros(1, 2, 2), "shape"),
        (torch.ones(1, 1, 2, 2, dtype=torch.uint8), "are floats"),
        (torch.ones(1, 1, 2, 2, dtype=torch.bool), "are floats"),
    ],
)
def test_what_is_no_image_is_refused(x: Tensor, message: str) -> None:
    model = make("pixelcnn")
    for measure in (model.log_prob, model.encode):
        with pytest.raises(FlowgenError, match=message):
            measure(x)


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        (torch.zeros(1, 1, 2, 2), "integer levels"),
        (torch.zeros(1, 1, 2, 3, dtype=torch.long), "shape"),
        (torch.full((1, 1, 2, 2), 3), "Levels run from 0 to 2"),
        (torch.full((1, 1, 2, 2), -1), "Levels run from 0 to 2"),
    ],
)
def test_log_mass_refuses_what_is_no_image(levels: Tensor, message: str) -> None:
    model = make("pixelcnn")
    for measure in (model.log_mass, lambda k: model.bound(k, torch.rand(k.shape))):
        with pytest.raises(FlowgenError, match=message):
            measure(levels)


@pytest.mark.parametrize(
    ("z", "message"),
    [
        (torch.full((1, 4), math.nan), "not numbers"),
        (torch.full((1, 4), 1.5), r"lie in \[0, 1\]"),
        (torch.full((1, 5), 0.5), "takes latents of shape"),
    ],
)
def test_decode_refuses_what_is_no_latent(z: Tensor, message: str) -> None:
    with pytest.raises(FlowgenError, match=message):
        make("pixelcnn").decode(z)


@pytest.mark.parametrize(
    ("levels", "known", "message"),
    [
        (torch.full((1, 2, 2), 3), torch.ones(1, 2, 2, dtype=torch.bool), "Levels run from 0 to 2"),
        (torch.zeros(1, 2, 2), torch.ones(1, 2, 2, dtype=torch.bool), "integer levels"),
        (torch.zeros(1, 2, 3, dtype=torch.long), torch.ones(1, 2, 2, dtype=torch.bool), "shape"),
        (torch.zeros(1, 2, 2, dtype=torch.long), torch.ones(2, 1, 2, 2, dtype=torch.bool), "shape"),
        (torch.zeros(1, 2, 2, dtype=torch.long), torch.ones(1, 2, 2), "True or False"),
        (torch.zeros(1, 2, 2, dtype=torch.long), None, "both, or neither"),
    ],
)
def test_what_is_known_must_be_an_image(levels: Tensor, known: Tensor | None, message: str) -> None:
    model = make("pixelcnn")
    with pytest.raises(FlowgenError, match=message):
        model.draw(torch.rand(3, 4), levels=levels, known=known)


def test_a_hidden_pixels_level_may_be_anything() -> None:
    model = make("pixelcnn")
    levels, known = torch.tensor([[[1, 99], [-7, 2]]]), torch.tensor([[[True, False], [False, True]]])
    *_, drawing = model.draw(torch.rand(1, 4), levels=levels, known=known)
    assert torch.equal(to_bytes(drawing.x, 3)[0][known], torch.tensor([1, 2], dtype=torch.uint8))


@pytest.mark.parametrize("temperature", [-1.0, math.nan, math.inf])
def test_an_impossible_temperature_is_refused(temperature: float) -> None:
    model = make("pixelcnn")
    with pytest.raises(FlowgenError, match="temperature"):
        model.sample(1, temperature=temperature)
    with pytest.raises(FlowgenError, match="temperature"):
        model.draw(torch.rand(1, 4), temperature=temperature)


@pytest.mark.parametrize("n", [0, -3])
def test_no_samples_are_refused(n: int) -> None:
    with pytest.raises(FlowgenError, match="at least 1"):
        make("pixelcnn").sample(n)


def test_a_class_that_is_none_is_refused() -> None:
    with pytest.raises(FlowgenError, match="without classes"):
        make("pixelcnn").given(0)
    model = make("pixelcnn", classes=CLASSES)
    for label in (-1, CLASSES):
        with pytest.raises(FlowgenError, match="from 0 to 2"):
            model.given(label)
        with pytest.raises(FlowgenError, match="from 0 to 2"):
            model.bound(torch.zeros(1, 1, 2, 2, dtype=torch.long), torch.rand(1, 1, 2, 2), torch.tensor([label]))


@over_recipes
def test_a_recipe_refuses_what_it_cannot_build(recipe: str) -> None:
    for dilations in ("", "0", "1,2", "one", "-1"):
        with pytest.raises(FlowgenError, match="dilations"):
            RECIPES[recipe](dilations=dilations)
    with pytest.raises(FlowgenError, match="2 levels, not 3"):
        RECIPES[recipe](factor="bernoulli").build((1, 2, 2), 3)
    assert RECIPES[recipe](hidden=32).build((3, 8, 8)).sample(1, seed=0).shape == (1, 3, 8, 8)  # 33 channels
    with pytest.raises(FlowgenError, match=r"\(c, h, w\)"):
        RECIPES[recipe](hidden=12).build((6,), 2)
