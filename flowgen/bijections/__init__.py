"""Bijections: each a file, each with the formula of its log-determinant."""

from flowgen.bijections.base import Bijection, Chain, Inverse
from flowgen.bijections.coupling import AdditiveCoupling, AffineCoupling, Coupling, MixtureCoupling
from flowgen.bijections.linear import ActNorm, FixedConv1x1, InvertibleConv1x1, Permutation, Scaling
from flowgen.bijections.logit import Logit
from flowgen.bijections.masks import Alternate, Checkerboard, Halves, Mask
from flowgen.bijections.mixture import MixtureCDF
from flowgen.bijections.reshape import Flatten, Squeeze
from flowgen.bijections.split import Split
from flowgen.bijections.steps import Steps
from flowgen.bijections.wavelet import haar, swap_halves

__all__ = [
    "ActNorm",
    "AdditiveCoupling",
    "AffineCoupling",
    "Alternate",
    "Bijection",
    "Chain",
    "Checkerboard",
    "Coupling",
    "FixedConv1x1",
    "Flatten",
    "Halves",
    "Inverse",
    "InvertibleConv1x1",
    "Logit",
    "Mask",
    "MixtureCDF",
    "MixtureCoupling",
    "Permutation",
    "Scaling",
    "Split",
    "Squeeze",
    "Steps",
    "haar",
    "swap_halves",
]
