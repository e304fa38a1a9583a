"""The activation of the nets that Muon trains."""

from torch import Tensor
from torch.nn import functional as F

__all__ = ["LEAK", "leaky"]

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
