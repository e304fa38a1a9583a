"""Variational dequantisation: a density on each cell, and a bound that it tightens."""

import math

import pytest
import torch
from torch import nn

from flowgen.checkpoint import Meta, build, load, save_checkpoint
from flowgen.data import Images
from flowgen.models import FLOWS, VariationalDequantizer

SHAPES = [(1, 4, 4), (3, 4, 4), (6,)]
SMALL = {"hidden": 8}


def moved(shape: tuple[int, ...], levels: int = 256) -> VariationalDequantizer:
    """A dequantiser away from its start, in float64."""
    torch.manual_seed(0)
    dequantizer = VariationalDequantizer(levels, shape).double()
    for parameter in dequantizer.parameters():
        parameter.data += 0.2 * torch.randn_like(parameter)
    return dequantizer


@pytest.mark.parametrize("shape", SHAPES)
def test_it_starts_as_the_uniform_one(shape: tuple[int, ...]) -> None:
    k, u = torch.randint(0, 256, (5, *shape)), torch.rand(5, *shape)
    x, log_q = VariationalDequantizer(256, shape)(k, u)
    assert torch.allclose(x, (k + u) / 256, atol=1e-6)
    assert torch.allclose(log_q, torch.full((5,), math.prod(shape) * math.log(256)), atol=1e-2)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("levels", [2, 256])
def test_what_it_gives_lies_in_its_cell(shape: tuple[int, ...], levels: int) -> None:
    k = torch.randint(0, levels, (64, *shape))
    u = torch.rand(64, *shape, dtype=torch.float64).round(decimals=1)  # the ends as well
    x, log_q = moved(shape, levels)(k, u)
    assert torch.equal((x * levels).floor().long(), k)
    assert log_q.isfinite().all()


@torch.no_grad()
def test_its_density_is_that_of_what_it_draws() -> None:
    """d x / d u by differences, in the one pixel that moves."""
    dequantizer, n = moved((1, 2, 2)), 20_001
    k = torch.tensor([[[[3, 200], [0, 255]]]]).expand(n, -1, -1, -1)
    u = torch.full((n, 1, 2, 2), 0.3, dtype=torch.float64)
    u[:, 0, 0, 0] = torch.linspace(0.01, 0.99, n, dtype=torch.float64)
    x, log_q = dequantizer(k, u)
    step = (x[1:, 0, 0, 0] - x[:-1, 0, 0, 0]) / (u[1:, 0, 0, 0] - u[:-1, 0, 0, 0])
    others = log_q + torch.gradient(x[:, 0, 0, 0], spacing=(u[:, 0, 0, 0],))[0].log()
    assert (step > 0).all()
    assert others[5:-5].std() < 1e-5, "log q differs from -log dx/du by what the other pixels say alone"


@pytest.mark.parametrize("recipe", FLOWS)
def test_every_flow_can_be_trained_with_it(recipe: str, tmp_path, mnist: Images) -> None:
    hyperparameters = SMALL | {"dequantization": "variational"}
    meta = Meta(recipe, hyperparameters, (1, 28, 28))
    torch.manual_seed(0)
    model = build(meta)
    assert isinstance(model, nn.Module)
    model.initialize((mnist.levels[:32] + 0.5) / 256)
    loss = -model.bound(mnist.levels[:8], torch.rand(8, 1, 28, 28)).mean()
    loss.backward()
    moving = [p for p in model.dequantizer.parameters() if p.grad is not None and p.grad.abs().max() > 0]
    assert moving
    save_checkpoint(tmp_path / "small.safetensors", model, meta)
    again = load(tmp_path / "small.safetensors", "cpu")
    assert again.dequantization == "variational"
    generators = [torch.Generator().manual_seed(1) for _ in range(2)]
    masses = [m.log_mass(mnist.levels[:4], generator=g) for m, g in zip((model, again), generators, strict=True)]
    assert torch.allclose(*masses)


def test_trained_it_tightens_the_bound_and_never_passes_the_mass() -> None:
    """A flow of one pixel whose density is not flat within a cell, and whose cells' masses are known."""
    torch.manual_seed(0)
    flow = build(Meta("realnvp", {"hidden": 4, "logit": False, "mixture": 0}, (2,), levels=2)).double()
    flow.initialize(0.25 + 0.1 * torch.randn(256, 2, dtype=torch.float64))
    edges = torch.linspace(0, 1, 401, dtype=torch.float64)
    middles = (edges[1:] + edges[:-1]) / 2
    grid = torch.cartesian_prod(middles[:200], middles[:200])  # the cell of (0, 0)
    with torch.no_grad():
        exact = torch.logsumexp(flow.log_prob(grid), 0) + 2 * math.log(1 / 400)
    k = torch.zeros(4096, 2, dtype=torch.long)
    dequantizer = VariationalDequantizer(2, (2,)).double()
    u = torch.rand(4096, 2, dtype=torch.float64)

    def bound() -> torch.Tensor:
        x, log_q = dequantizer(k, u)
        return (flow.log_prob(x) - log_q).mean()

    before = bound().item()
    adam = torch.optim.Adam(dequantizer.parameters(), lr=0.01)
    for _ in range(150):
        adam.zero_grad()
        (-bound()).backward()
        adam.step()
    after = bound().item()
    assert before + 0.1 < after < exact + 0.02
