"""Bits per dimension against models whose mass is known."""

import math

import pytest
import torch
from torch import Tensor

from flowgen.bijections import Chain, Flatten, Logit
from flowgen.density import StandardLogistic
from flowgen.errors import FlowgenError
from flowgen.evaluation import bits_per_dim, evaluate
from flowgen.models import Dequantized, Flow, UniformDequantizer


@pytest.fixture
def uniform() -> Dequantized:
    """A logistic seen through the logit is uniform on the box: every byte image costs 8 bits/dim exactly."""
    flow = Flow(StandardLogistic((784,)), Chain([Logit(0.0), Flatten((1, 28, 28))]), (1, 28, 28))
    return Dequantized(flow.double(), UniformDequantizer(256), support="unit")


def test_the_uniform_model_costs_8_bits(uniform: Dequantized, mnist_levels: Tensor) -> None:
    scores = bits_per_dim(uniform, mnist_levels[:10], importance_samples=3)
    assert torch.allclose(scores, torch.full((10,), 8.0, dtype=torch.float64), atol=1e-9)


def test_evaluate_says_what_was_done(uniform: Dequantized, mnist_levels: Tensor) -> None:
    result = evaluate(uniform, mnist_levels[:10], importance_samples=2)
    assert (result.num_images, result.dequantization, result.importance_samples) == (10, "uniform", 2)
    assert result.bits_per_dim == pytest.approx(8.0)
    assert len(result.quantiles) == 101
    assert result.standard_error < 1e-9


def test_a_seed_repeats_and_progress_counts(uniform: Dequantized, mnist_levels: Tensor) -> None:
    seen: list[int] = []
    a, b = (bits_per_dim(uniform, mnist_levels[:7], batch_size=3, progress=seen.append) for _ in range(2))
    assert torch.equal(a, b)
    assert seen == [3, 3, 1] * 2


def test_no_images_are_refused(uniform: Dequantized, mnist_levels: Tensor) -> None:
    with pytest.raises(FlowgenError, match="no images"):
        evaluate(uniform, mnist_levels[:0])


def test_an_impossible_image_is_named(mnist_levels: Tensor) -> None:
    flow = Flow(StandardLogistic((784,)), Flatten((1, 28, 28)), (1, 28, 28))
    with torch.no_grad():
        flow.bijection = Chain([Flatten((1, 28, 28)), _Infinite()])
    with pytest.raises(FlowgenError, match="no finite mass"):
        evaluate(Dequantized(flow, UniformDequantizer(256)), mnist_levels[:2])


class _Infinite(Flatten):
    """Volume lost beyond measure."""

    def __init__(self) -> None:
        super().__init__((784,))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, x.new_full((len(x),), -math.inf)
