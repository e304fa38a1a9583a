import copy

import pytest
import torch
from torch import Tensor

from flowgen.training.muon import Muon, orthogonalize


def _random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(16, 16), (8, 40), (40, 8), (3, 12, 20), (1, 5), (5, 1)])
def test_orthogonalize_brings_singular_values_near_one_and_keeps_singular_vectors(shape: tuple[int, ...]) -> None:
    matrices = _random(*shape)
    result = orthogonalize(matrices)
    u, s, vh = torch.linalg.svd(matrices, full_matrices=False)
    # U^T X V is the diagonal of new singular values: nothing off it, and near one on it (small ones rise more slowly).
    core = u.mT @ result @ vh.mT
    values = core.diagonal(dim1=-2, dim2=-1)
    torch.testing.assert_close(core, torch.diag_embed(values), atol=1e-4, rtol=0)
    large = s > 0.05 * s.norm(dim=-1, keepdim=True)
    assert large.float().mean() > 0.8
    assert values[large].min() > 0.5
    assert values.max() < 1.3


def test_orthogonalize_does_not_care_for_scale() -> None:
    matrix = _random(12, 7)
    torch.testing.assert_close(orthogonalize(1e6 * matrix), orthogonalize(1e-6 * matrix), atol=1e-4, rtol=0)


def test_orthogonalize_leaves_zero_at_zero() -> None:
    assert torch.equal(orthogonalize(torch.zeros(3, 4)), torch.zeros(3, 4))


@pytest.mark.parametrize("shape", [(24, 24), (12, 30), (30, 12)])
def test_muon_is_torchs_muon_on_matrices(shape: tuple[int, int]) -> None:
    """torch's keeps (1 - momentum) times our velocity, which an orthogonal update forgets; it works in bfloat16."""
    start, ours, theirs = _random(*shape), _random(*shape).requires_grad_(), _random(*shape).requires_grad_()
    optimizers = [
        Muon([ours], lr=0.02, momentum=0.9, weight_decay=0.3),
        torch.optim.Muon([theirs], lr=0.02, momentum=0.9, weight_decay=0.3),
    ]
    for step in range(5):
        ours.grad = theirs.grad = _random(*shape, seed=step + 1)
        for optimizer in optimizers:
            optimizer.step()
    moved = (theirs - start).norm()
    assert (ours - theirs).norm() < 0.02 * moved


def test_a_kernel_is_moved_as_the_matrix_of_its_flattened_filters() -> None:
    kernel, matrix = _random(6, 4, 3, 3).requires_grad_(), _random(6, 4, 3, 3).flatten(1).requires_grad_()
    optimizers = Muon([kernel]), Muon([matrix])
    for step in range(3):
        kernel.grad = _random(6, 4, 3, 3, seed=step + 1)
        matrix.grad = kernel.grad.flatten(1)
        for optimizer in optimizers:
            optimizer.step()
    assert torch.equal(kernel.flatten(1), matrix)


def test_layers_of_one_shape_move_together_as_each_would_alone() -> None:
    together = [_random(6, 4, seed=i).requires_grad_() for i in range(3)]
    alone = [weight.detach().clone().requires_grad_() for weight in together]
    for i, (a, b) in enumerate(zip(together, alone, strict=True)):
        a.grad = b.grad = _random(6, 4, seed=10 + i)
    Muon(together).step()
    for weight in alone:
        Muon([weight]).step()
    for a, b in zip(together, alone, strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=0)


def test_a_weight_without_gradient_stays() -> None:
    weight = _random(4, 4).requires_grad_()
    Muon([weight]).step()
    assert torch.equal(weight, _random(4, 4))


def test_momentum_survives_a_state_dict() -> None:
    first, second = _random(4, 6).requires_grad_(), _random(4, 6).requires_grad_()
    before, after = Muon([first]), Muon([second])
    first.grad = _random(4, 6, seed=1)
    before.step()
    with torch.no_grad():
        second.copy_(first)
    after.load_state_dict(copy.deepcopy(before.state_dict()))
    first.grad = second.grad = _random(4, 6, seed=2)
    before.step()
    after.step()
    assert torch.equal(first, second)
