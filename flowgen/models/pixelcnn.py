"""PixelCNN: masked convolutions in residual blocks."""

from dataclasses import dataclass

from flowgen.models.causal_recipe import CausalRecipe
from flowgen.nets.pixelcnn import PixelCNNNet

__all__ = ["PixelCNN"]


@dataclass(frozen=True)
class PixelCNN(CausalRecipe):
    """PixelCNN's hyperparameters; `hidden` is the width of a block's convolution, its stream has twice as many.

    References:
        Pixel Recurrent Neural Networks (van den Oord et al., 2016), arXiv:1601.06759
    """

    net = PixelCNNNet
