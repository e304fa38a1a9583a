"""A flow whose posterior is known in closed form: logit, then an affine map, is Gaussian in logit coordinates."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from flowgen.bijections import ActNorm, Chain, FixedConv1x1, Flatten, Logit
from flowgen.data.images import midpoints
from flowgen.density import StandardNormal
from flowgen.models import Dequantized, Flow, UniformDequantizer

SHAPE = (1, 2, 3)


@dataclass(frozen=True)
class Gaussian:
    """A model, a picture with four hidden pixels, and the law of their logits given the rest: N(mean, covariance)."""

    model: Dequantized
    image: Tensor
    known: Tensor
    mean: Tensor
    covariance: Tensor


@pytest.fixture(scope="session")
def gaussian() -> Gaussian:
    return posterior_given([[0, 30, 80], [128, 200, 255]])


@pytest.fixture(scope="session")
def central() -> Gaussian:
    """The same model with known bytes near what it expects: its latent is not far from the origin."""
    return posterior_given([[0, 118, 80], [128, 200, 100]])


def posterior_given(levels: list[list[int]]) -> Gaussian:
    d = 6
    generator = torch.Generator().manual_seed(7)
    weight = 1.5 * torch.eye(d, dtype=torch.float64)
    weight = weight + 0.3 * torch.randn(d, d, generator=generator, dtype=torch.float64)
    loc = torch.linspace(-0.6, 0.6, d, dtype=torch.float64)
    shift = ActNorm(d).double()
    shift.loc.data.copy_(loc)
    mix = FixedConv1x1(weight, weight.inverse(), torch.linalg.slogdet(weight).logabsdet)
    flow = Flow(StandardNormal((d,)).double(), Chain([Logit(0.0), Flatten(SHAPE), shift, mix]), SHAPE)
    model = Dequantized(flow, UniformDequantizer(256), 256, support="unit")

    image = torch.tensor([levels], dtype=torch.uint8)
    known = torch.tensor([[False, True, False], [False, False, True]])
    # z = W (u + loc) is standard normal, so u ~ N(-loc, (W^T W)^-1); then condition on the known logits.
    precision, k = weight.T @ weight, known.flatten()
    deviation = torch.logit(midpoints(image).double()).flatten()[k] + loc[k]
    covariance = precision[~k][:, ~k].inverse()
    return Gaussian(model, image, known, -loc[~k] - covariance @ precision[~k][:, k] @ deviation, covariance)
