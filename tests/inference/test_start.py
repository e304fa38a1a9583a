import pytest
import torch

from flowgen.data.images import midpoints
from flowgen.inference.chains import ChainGenerators
from flowgen.inference.inpaint import complete
from flowgen.inference.start import Search
from flowgen.inference.target import latent_target
from flowgen.models import FLOWS

SHAPE = (2, 4, 4)


@pytest.fixture(scope="module", params=FLOWS)
def model(request):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = FLOWS[request.param](hidden=8).build(SHAPE)
        model.initialize(torch.rand(64, *SHAPE))
    return model.double().frozen()


@pytest.fixture(scope="module")
def image():
    return torch.randint(0, 256, SHAPE, generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


@pytest.fixture(scope="module")
def known():
    known = torch.ones(SHAPE, dtype=torch.bool)
    known[:, 1:3, 1:4] = False
    return known


def latent_of(model, x):
    return model.prior.to_normal(model.encode(x))


def test_a_latent_is_weighed_by_its_prior_and_by_what_it_decodes_to(model, image, known):
    """log N(w; 0, 1) + log N(x_known; G(w)_known, 0.2^2), up to the second's constant."""
    x = midpoints(image).double()
    y = torch.rand(5, *SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    w = latent_of(model, y)
    target = latent_target(model, image, known, sigma=0.2, coordinates=lambda x: x)
    expected = torch.distributions.Normal(0.0, 1.0).log_prob(w).sum(1)
    expected = expected - (y - x)[:, known].square().sum(1) / (2 * 0.2**2)
    torch.testing.assert_close(target.log_density(w), expected, rtol=1e-5, atol=1e-4)


def test_the_latent_of_the_image_itself_agrees_with_what_is_known(model, image, known):
    w = latent_of(model, midpoints(image).double()[None])
    target = Search(model, image, known).target
    assert target.log_likelihood(w).item() == pytest.approx(0, abs=1e-4)
    assert torch.equal(target.to_image(w)[0], image)
    assert torch.equal(target.to_image(0 * w)[0][known], image[known])


def test_a_latent_and_its_hidden_pixels_are_the_same_picture(model, image, known):
    w = latent_of(model, midpoints(image).double()[None])
    position = Search(model, image, known).pixels(w)
    torch.testing.assert_close(torch.sigmoid(position[0]), midpoints(image)[~known].double(), rtol=0, atol=1e-5)


def test_the_first_guess_differs_from_chain_to_chain_and_depends_on_its_number_alone(model, image, known):
    together = Search(model, image, known).first(4, ChainGenerators(3, range(4)))
    alone = Search(model, image, known).first(1, ChainGenerators(3, [2]))
    torch.testing.assert_close(alone, together[2:3])
    assert (together[0] - together[1]).abs().mean() > 0.05


def test_the_search_comes_closer_to_what_is_known(model, image, known):
    search = Search(model, image, known)
    target = search.target
    state = search.kernel.init(target, search.first(3, ChainGenerators(0, range(3))))
    before = target.log_likelihood(state.position)
    for _ in range(50):
        state, _ = search.kernel.step(target, state, torch.Generator())
    assert (target.log_likelihood(state.position) > 0.5 * before).all()


def test_search_frames_are_marked_and_end_where_the_run_begins(model, image, known):
    frames = list(complete(model, image, known[:1], method="langevin", num=2, steps=6, options={"step_size": 1e-6}))
    assert [frame.warming_up for frame in frames] == [True] * 4 + [False] * 2
    for frame in frames:
        assert torch.equal(frame.levels[:, known], image[known].expand(2, -1))
    difference = frames[2].levels.int() - frames[3].levels.int()
    assert difference.abs().max() <= 2
