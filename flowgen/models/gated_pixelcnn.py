"""Gated PixelCNN: a stack for the rows above, a stack for the pixels to the left."""

from dataclasses import dataclass

from flowgen.models.causal_recipe import CausalRecipe
from flowgen.nets.gated_pixelcnn import GatedPixelCNNNet

__all__ = ["GatedPixelCNN"]


@dataclass(frozen=True)
class GatedPixelCNN(CausalRecipe):
    """Gated PixelCNN's hyperparameters; `hidden` is the width of each of its two stacks.

    References:
        Conditional Image Generation with PixelCNN Decoders (van den Oord et al., 2016), arXiv:1606.05328
    """

    net = GatedPixelCNNNet
