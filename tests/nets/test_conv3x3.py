"""The quick 3x3 convolution: torch's own, with a gradient and without."""

import pytest
import torch
from torch.nn import functional as F

from flowgen.nets import Conv3x3
from flowgen.nets.conv3x3 import FEW


@pytest.mark.parametrize("last", [False, True], ids=["as it comes", "channels_last"])
@pytest.mark.parametrize("size", [(5, 7), (2, 2), (1, 1)], ids=str)
@pytest.mark.parametrize(("inputs", "outputs"), [(16, 2), (3, 2), (2, 16), (1, 1), (16, FEW)])
def test_it_is_torchs_convolution(inputs: int, outputs: int, size: tuple[int, int], last: bool) -> None:
    torch.manual_seed(0)
    convolution = Conv3x3(inputs, outputs).double()
    x = torch.randn(3, inputs, *size, dtype=torch.float64)
    x = x.contiguous(memory_format=torch.channels_last) if last else x
    expected = F.conv2d(x, convolution.weight, convolution.bias, padding=1)
    assert torch.allclose(convolution(x), expected, atol=1e-13)
    with torch.no_grad():
        assert torch.allclose(convolution(x), expected, atol=1e-13)


def test_a_gradient_reaches_its_weights_and_its_input() -> None:
    convolution, x = Conv3x3(16, 2), torch.randn(3, 16, 5, 7, requires_grad=True)
    convolution(x).square().sum().backward()
    for tensor in (x, *convolution.parameters()):
        assert tensor.grad is not None
        assert tensor.grad.abs().sum() > 0
