"""A multilayer perceptron, the conditioner of flows on vectors."""

from itertools import pairwise
from typing import cast

from torch import Tensor, nn

__all__ = ["MLP"]


class MLP(nn.Module):
    """Linear layers with ReLU between them; the last one starts at zero, so that a flow starts as the identity.

    Args:
        in_features: size of the input.
        out_features: size of the output.
        hidden: width of the hidden layers.
        depth: number of hidden layers, at least 1.
    Shape:
        (b, in_features) -> (b, out_features).
    """

    def __init__(self, in_features: int, out_features: int, *, hidden: int = 128, depth: int = 2) -> None:
        super().__init__()
        widths = [in_features, *[hidden] * depth]
        layers: list[nn.Module] = []
        for narrow, wide in pairwise(widths):
            layers += [nn.Linear(narrow, wide), nn.ReLU()]
        self.hidden = nn.Sequential(*layers)
        self.out = nn.Linear(hidden, out_features)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.out(self.hidden(x)))
