"""The cached pass: its images can be exchanged for one another at any position, and each goes on as it would have."""

import itertools

import pytest
import torch
from torch import Tensor

from flowgen.models import AUTOREGRESSIVE, Autoregressive
from flowgen.models.cached_pass import CachedPass

WORLDS = [((1, 4, 3), 0), ((1, 3, 3), 3), ((3, 3, 2), 0), ((3, 2, 2), 2)]


@pytest.fixture(
    params=[*itertools.product(AUTOREGRESSIVE, WORLDS, ["categorical", "logistic_mixture"])],
    ids=lambda case: f"{case[0]}-{case[1][0]}-{case[1][1]} classes-{case[2]}",
)
def model(request: pytest.FixtureRequest) -> Autoregressive:
    recipe, (shape, classes), factor = request.param
    torch.manual_seed(0)
    fields = {"hidden": 6, "dilations": "1 2", "embedding": 3, "factor": factor, "num_classes": classes}
    model = AUTOREGRESSIVE[recipe](**fields).build(shape, 4).double()
    for parameter in model.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    return model.requires_grad_(False)


def images(model: Autoregressive, n: int, seed: int = 1) -> Tensor:
    return torch.randint(0, 4, (n, *model.event_shape), generator=torch.Generator().manual_seed(seed))


def follow(one: CachedPass, levels: Tensor, until: int) -> list[Tensor]:
    """Put these images' levels up to a position, and return what each position's law was."""
    laws = []
    while one.index < until:
        at = one.at
        laws.append(one.log_probs())
        one.put(levels[:, *at])
    return laws


def test_goes_on_after_an_exchange_as_if_it_had_always_been_so(model: Autoregressive) -> None:
    before, ancestors = images(model, 3), torch.tensor([2, 0, 0, 2, 1])
    size = before[0].numel()
    for place in range(size + 1):
        after = images(model, 5, seed=place)
        exchanged = model.begin(3)
        follow(exchanged, before, place)
        exchanged = exchanged.reindex(ancestors)
        known = model.begin(5)
        follow(known, before[ancestors], place)
        laws, expected = follow(exchanged, after, size), follow(known, after, size)
        for law, other in zip(laws, expected, strict=True):
            torch.testing.assert_close(law, other, rtol=0, atol=1e-12)
    assert (model.log_mass(before).diff().abs() > 0.1).all(), "or the images might as well be any others"


def test_an_exchange_leaves_the_pass_and_its_law_as_they_were(model: Autoregressive) -> None:
    levels = images(model, 2)
    size = levels[0].numel()
    alone = follow(model.begin(2), levels, size)
    disturbed = model.begin(2)
    for index, law in enumerate(alone):
        torch.testing.assert_close(disturbed.log_probs(), law, rtol=0, atol=1e-12)
        other = disturbed.reindex(torch.tensor([1, 1, 0]))
        assert torch.equal(other.log_probs(), disturbed.log_probs()[[1, 1, 0]])
        follow(other, images(model, 3, seed=7), size)
        follow(disturbed, levels, index + 1)
