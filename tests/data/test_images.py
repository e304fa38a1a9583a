"""Bytes and floats: every level survives the way there and back, whatever the noise."""

import pytest
import torch

from flowgen.data import Images, dequantize, midpoints, to_bytes
from flowgen.errors import FlowgenError

EXTREME = (0.0, 1e-30, 2.0**-25, 2.0**-15, 0.5, 1 - 2.0**-15, 1 - 2.0**-24, 1.0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("levels", [2, 3, 17, 255, 256])
@pytest.mark.parametrize("u", EXTREME)
def test_every_level_survives_extreme_noise(levels: int, u: float, dtype: torch.dtype) -> None:
    k = torch.arange(levels)
    x = dequantize(k, torch.full((levels,), u, dtype=dtype), levels)
    assert x.dtype == dtype
    assert torch.equal(to_bytes(x, levels).long(), k)
    assert ((x > 0) & (x < 1)).all()


@pytest.mark.parametrize("levels", [2, 3, 256])
def test_every_level_survives_random_noise(levels: int) -> None:
    k = torch.arange(levels).expand(4000, levels)
    u = torch.rand(k.shape, generator=torch.Generator().manual_seed(0))
    x = dequantize(k, u, levels)
    assert torch.equal(to_bytes(x, levels).long(), k)
    torch.testing.assert_close(x * levels - k, u, atol=2**-14, rtol=0)


@pytest.mark.parametrize("levels", [2, 3, 256])
def test_midpoints_lie_in_the_middle(levels: int) -> None:
    k = torch.arange(levels)
    x = midpoints(k, levels)
    assert torch.equal(to_bytes(x, levels).long(), k)
    torch.testing.assert_close(x, dequantize(k, torch.full((levels,), 0.5), levels))


def test_bytes_of_uint8_images_do_not_overflow(mnist_levels: torch.Tensor) -> None:
    assert mnist_levels.max() == 255
    assert torch.equal(to_bytes(midpoints(mnist_levels)), mnist_levels)
    assert torch.equal(to_bytes(dequantize(mnist_levels, torch.ones(mnist_levels.shape))), mnist_levels)


def test_to_bytes_brings_what_lies_outside_to_the_nearest_level() -> None:
    x = torch.tensor([-1e30, -1e-9, 0.0, 1 / 256, 1.0, 1e30])
    assert to_bytes(x).tolist() == [0, 0, 0, 1, 255, 255]
    assert to_bytes(x, levels=3).tolist() == [0, 0, 0, 0, 2, 2]
    assert to_bytes(x).dtype == torch.uint8


def test_images_know_their_shape_and_refuse_what_does_not_fit(mnist: Images) -> None:
    assert (len(mnist), mnist.event_shape) == (256, (1, 28, 28))
    with pytest.raises(FlowgenError, match="float32 of shape"):
        Images(torch.zeros(2, 1, 4, 4), None, (), horizontal_flips=False)
    with pytest.raises(FlowgenError, match="3 labels do not fit 256 images"):
        Images(mnist.levels, torch.zeros(3, dtype=torch.int64), (), horizontal_flips=False)
