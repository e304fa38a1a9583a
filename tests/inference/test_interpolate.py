import math

import pytest
import torch

from flowgen.data.images import midpoints, to_bytes
from flowgen.errors import FlowgenError
from flowgen.inference.interpolate import interpolate
from flowgen.models import MODELS

SHAPE = (1, 4, 4)


@pytest.fixture(scope="module", params=MODELS)
def model(request):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = MODELS[request.param](hidden=8).build(SHAPE)
        model.initialize(torch.rand(64, *SHAPE))
    return model.double()


@pytest.fixture
def ends():
    return torch.randint(0, 256, (2, *SHAPE), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


@pytest.mark.parametrize("path", ["spherical", "linear"])
def test_the_ends_are_the_images(model, ends, path):
    frames = interpolate(model, *ends, 5, path=path)
    assert frames.shape == (5, *SHAPE)
    assert frames.isfinite().all()
    assert torch.equal(to_bytes(frames[[0, -1]]), ends)


@pytest.mark.parametrize("path", ["spherical", "linear"])
def test_the_path_arrives_at_the_images(model, ends, path):
    """The ends are put in by hand; the frames beside them, at t = 1e-3, must be there of their own accord."""
    x = midpoints(ends).double()
    frames = interpolate(model, *ends, 256, path=path)
    step = (frames[1] - frames[0]).abs().max()
    assert 0 < step < 0.2
    assert (frames[-2] - x[1]).abs().max() < 0.2


@torch.no_grad()
def test_a_line_is_straight_and_an_arc_is_round_in_normal_coordinates(model, ends):
    def normal_coordinates(x):
        return model.prior.to_normal(model.encode(x.double()))

    w0, w1 = normal_coordinates(midpoints(ends))
    line, arc = (normal_coordinates(interpolate(model, *ends, 5, path=path)) for path in ("linear", "spherical"))
    torch.testing.assert_close(line[1], 0.75 * w0 + 0.25 * w1, rtol=1e-6, atol=1e-6)

    def angle(a, b):
        return math.acos(torch.cosine_similarity(a, b, dim=0).clamp(-1, 1).item())

    between = [angle(arc[i], arc[i + 1]) for i in range(4)]
    assert sum(between) == pytest.approx(angle(w0, w1), abs=1e-5)
    assert arc[2].norm() > line[2].norm()


@pytest.mark.parametrize("path", ["spherical", "linear"])
def test_from_an_image_to_itself_nothing_moves(model, ends, path):
    frames = interpolate(model, ends[0], ends[0], 4, path=path)
    assert torch.equal(to_bytes(frames), ends[:1].expand(4, -1, -1, -1))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"num_frames": 1}, "1 frames"),
        ({"num_frames": 257}, "257 frames"),
        ({"path": "circular"}, "spherical or linear"),
        ({"start": torch.zeros(1, 4, 5, dtype=torch.uint8)}, "start has shape 1 x 4 x 5"),
        ({"end": torch.zeros(SHAPE)}, "end is of torch.float32"),
        ({"end": torch.full(SHAPE, 256)}, "levels outside 0 to 255"),
    ],
)
def test_what_is_out_of_order_gets_a_sentence(model, ends, change, sentence):
    arguments = {"start": ends[0], "end": ends[1], "num_frames": 3, "path": "linear"} | change
    with pytest.raises(FlowgenError, match=sentence):
        interpolate(model, **arguments)
