"""Networks: plain functions of tensors, with no probability in them."""

from flowgen.nets.causal import AboveConv, LeftConv, Pointwise
from flowgen.nets.causal_net import ByteFeatures, CausalNet
from flowgen.nets.conv3x3 import Conv3x3
from flowgen.nets.convnet import ConvNet, Coordinates, ResNet
from flowgen.nets.gated_pixelcnn import GatedPixelCNNNet
from flowgen.nets.mlp import MLP
from flowgen.nets.pixelcnn import PixelCNNNet

__all__ = [
    "MLP",
    "AboveConv",
    "ByteFeatures",
    "CausalNet",
    "Conv3x3",
    "ConvNet",
    "Coordinates",
    "GatedPixelCNNNet",
    "LeftConv",
    "PixelCNNNet",
    "Pointwise",
    "ResNet",
]
