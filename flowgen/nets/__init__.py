"""Networks: plain functions of tensors, with no probability in them."""

from flowgen.nets.convnet import ConvNet, Coordinates, ResNet
from flowgen.nets.mlp import MLP

__all__ = ["MLP", "ConvNet", "Coordinates", "ResNet"]
