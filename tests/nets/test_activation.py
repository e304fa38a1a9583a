"""The activation, alone and as one with the convolution before it."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from flowgen.nets.activation import LEAK, leaky, leaky_conv


def test_what_is_negative_shrinks() -> None:
    assert leaky(torch.tensor([-2.0, 0.0, 3.0])).tolist() == pytest.approx([-2 * LEAK, 0.0, 3.0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("layout", ["as it comes", "channels_last", "half of the channels"])
@pytest.mark.parametrize(
    ("size", "shape"), [(3, (3, 6, 8, 8)), (1, (2, 5, 7, 1)), (3, (1, 1, 1, 1)), (1, (0, 3, 4, 4))]
)
def test_as_one_or_one_by_one(size: int, shape: tuple[int, ...], layout: str, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    convolution = nn.Conv2d(shape[1], 16, size, padding=size // 2).to(dtype)
    x = torch.randn(shape, dtype=dtype)
    if layout != "as it comes":
        convolution = convolution.to(memory_format=torch.channels_last)
        x = x.contiguous(memory_format=torch.channels_last)
    if layout == "half of the channels":
        x = torch.cat((x, x), 1).contiguous(memory_format=torch.channels_last)[:, : shape[1]]
    expected = F.leaky_relu(convolution(x), LEAK)
    with torch.no_grad():
        assert torch.allclose(leaky_conv(convolution, x), expected, atol=1e-5)
    assert torch.allclose(leaky_conv(convolution, x), expected)


def test_a_gradient_reaches_input_and_weights() -> None:
    convolution, x = nn.Conv2d(2, 4, 3), torch.randn(1, 2, 5, 5, requires_grad=True)
    leaky_conv(convolution, x).square().sum().backward()
    assert all(tensor.grad is not None and tensor.grad.abs().sum() > 0 for tensor in (x, *convolution.parameters()))
