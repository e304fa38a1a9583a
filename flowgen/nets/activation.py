"""The activation of the nets that Muon trains."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["LEAK", "leaky", "leaky_conv"]

LEAK = 0.1


def leaky(x: Tensor) -> Tensor:
    """A ReLU that never closes: x where it is positive, x / 10 elsewhere, written over x.

    Muon moves every weight as far, however seldom its unit is open, and walked ReLUs into places that they did not come
    back from: after 5,000 steps half of Glow's conditioners were constant, and training had stopped gaining.

    Memory is what an activation costs: a new one of some megabytes takes the system longer than to compute it.

    References:
        Rectifier Nonlinearities Improve Neural Network Acoustic Models (Maas et al., 2013)
    """
    return F.leaky_relu(x, LEAK, inplace=True)


def leaky_conv(convolution: nn.Conv2d, x: Tensor) -> Tensor:
    """A convolution and its leaky ReLU; on a CPU and without gradients in one go, as torch.compile would have it.

    The convolution's output is then not read and written once more, which takes a tenth of a scoring's time.
    """
    if torch.is_grad_enabled() or not _fusible(convolution, x):
        return leaky(convolution(x))
    where = (convolution.padding, convolution.stride, convolution.dilation, convolution.groups)
    fused = torch.ops.mkldnn._convolution_pointwise
    x = x.contiguous(memory_format=torch.channels_last)  # half of an image's channels is not
    return cast(Tensor, fused(x, convolution.weight, convolution.bias, *where, "leaky_relu", [LEAK], ""))


def _fusible(convolution: nn.Conv2d, x: Tensor) -> bool:
    """Whether oneDNN takes both as one: float32, on a CPU that runs it, and nothing traces."""
    return (
        torch.backends.mkldnn.is_available()
        and x.device.type == convolution.weight.device.type == "cpu"
        and x.dtype == convolution.weight.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
    )
