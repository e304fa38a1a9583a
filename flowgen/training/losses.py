"""What training minimises: modules, so that they can be compiled and distributed whole."""

import math

from torch import Tensor, nn

from flowgen.models import ImageModel

__all__ = ["NegativeLogLikelihood"]


class NegativeLogLikelihood(nn.Module):
    """Bits per dimension of a batch of byte images: -1 / (D log 2) times the mean bound of their log-mass.

    Args:
        model: what is trained.
    Shape:
        levels: (b, *event_shape) integers; noise: the same shape, uniform in (0, 1); labels, for a model of classes:
        (b,) integers; the loss is a scalar.
    """

    def __init__(self, model: ImageModel) -> None:
        super().__init__()
        self.model = model
        self.bits = 1 / (math.prod(model.event_shape) * math.log(2))

    def forward(self, levels: Tensor, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        return -self.bits * self.model.bound(levels, noise, labels).mean()
