"""Directions of attributes: found where they were put, and edits that come back."""

import pytest
import torch

from flowgen.data.images import midpoints, to_bytes
from flowgen.errors import FlowgenError
from flowgen.inference import edit, learn_directions
from flowgen.models import FLOWS, MODELS

SHAPE = (1, 4, 4)


def build(recipe):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = MODELS[recipe](hidden=8).build(SHAPE)
        model.initialize(torch.rand(64, *SHAPE))
    return model.double()


@pytest.fixture(scope="module", params=MODELS)
def model(request):
    return build(request.param)


def images(n, seed=1):
    return torch.randint(0, 256, (n, *SHAPE), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


@pytest.mark.parametrize("recipe", FLOWS)
def test_directions_are_those_along_which_the_noise_was_moved(recipe):
    """Attributes that go together are told apart, which the difference of two means would not do."""
    model = build(recipe).frozen()
    generator = torch.Generator().manual_seed(2)
    has = torch.rand(4000, 2, generator=generator) < 0.5
    has[:, 1] |= has[:, 0] & (torch.rand(4000, generator=generator) < 0.6)
    w = 0.2 * torch.randn(4000, 16, generator=generator).double()
    true = torch.randn(2, 16, generator=generator).double() / 4
    with torch.no_grad():
        x = model.decode(model.prior.from_normal(w + has.double() @ true))
    levels = to_bytes(x)
    told = []
    found = learn_directions(model, levels, has, progress=told.append).double()
    assert sum(told) == 4000
    # The bytes clip and round what was moved, so that what is to be found is the regression on their own noise.
    with torch.no_grad():
        noise = model.prior.to_normal(model.encode(midpoints(levels).double()))
    given = torch.cat((torch.ones(4000, 1), has.double()), 1).double()
    expected = torch.linalg.lstsq(given, noise).solution[1:]
    assert torch.allclose(found, expected, atol=1e-5)
    cosine = torch.nn.functional.cosine_similarity(found, true)
    apart = torch.nn.functional.cosine_similarity(noise[has[:, 0]].mean(0) - noise[~has[:, 0]].mean(0), true[0], dim=0)
    assert cosine.min() > 0.8
    assert cosine[0] > apart


@torch.no_grad()
def test_an_edit_moves_the_noise_by_as_much_and_one_of_nothing_changes_nothing(model):
    image = images(1)[0]
    shifts = torch.cat((torch.zeros(1, 16), 0.1 * torch.randn(2, 16, generator=torch.Generator().manual_seed(3))))
    x = edit(model, image, shifts)
    assert x.shape == (3, *SHAPE)
    assert torch.equal(to_bytes(x)[0], image)
    if hasattr(model, "flow"):
        w = model.prior.to_normal(model.encode(x))
        assert torch.allclose(w - w[0], shifts.double(), atol=1e-5)


@pytest.mark.parametrize(
    ("has", "words"),
    [
        (torch.ones(3, 1, dtype=torch.bool), "do not fit 4 images"),
        (torch.ones(4, 1), "do not fit 4 images"),
        (torch.tensor([[True], [True], [True], [True]]), "had by 4 of 4"),
        (torch.tensor([[False], [False], [False], [False]]), "had by 0 of 4"),
        (torch.tensor([[True, True], [False, False], [True, True], [False, False]]), "say the same"),
    ],
)
def test_labels_that_teach_nothing_are_refused(has, words):
    with pytest.raises(FlowgenError, match=words):
        learn_directions(build("nice"), images(4), has)


def test_an_edit_without_bounds_is_refused():
    with pytest.raises(FlowgenError, match="smaller amounts"):
        edit(build("realnvp"), images(1)[0], torch.full((1, 16), float("inf")))
