"""Invertible backpropagation: the gradients of stored activations, in memory that does not grow with depth."""

import copy
import math
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import flowgen
from flowgen import library
from flowgen.bijections import AdditiveCoupling, Chain, Halves, Inverse, InvertibleConv1x1, Logit
from flowgen.data import Images
from flowgen.errors import FlowgenError
from flowgen.models import AUTOREGRESSIVE, FLOWS
from flowgen.nets import ConvNet
from flowgen.rng import keyed_uniform
from flowgen.training import NegativeLogLikelihood, Trainer
from flowgen.training.invertible import recompute_activations

TRAINED = [name for name in library.names() if flowgen.describe(name).recipe in FLOWS]
SMALL: dict[str, dict[str, Any]] = {
    "nice": {"hidden": 8, "couplings": 4},
    "realnvp": {"hidden": 8, "couplings": 2},
    "glow": {"hidden": 8, "depth": 3},
}


def _as_if_trained(recipe: str, levels: Tensor, dtype: torch.dtype = torch.float32, **hyperparameters: Any) -> Any:
    """A flow whose every layer does something: last layers start at zero, and here they are moved away from it."""
    torch.manual_seed(0)
    model: Any = FLOWS[recipe](**SMALL.get(recipe, {}) | hyperparameters).build(tuple(levels.shape[1:])).to(dtype)
    for module in model.modules():
        if isinstance(module, ConvNet) or hasattr(module, "last"):
            nn.init.normal_(module.last.weight, std=0.05)
    model.initialize(((levels + _noise(levels)) / 256).to(dtype))
    return model


def _noise(levels: Tensor) -> Tensor:
    return keyed_uniform(tuple(levels.shape[1:]), 0, range(len(levels)))


def _gradients(
    model: Any, levels: Tensor, *, recompute: bool, bf16: bool = False, off: float = 0.0
) -> dict[str, Tensor]:
    model = copy.deepcopy(model)
    if recompute:
        recompute_activations(model)
    noise = _noise(levels).to(next(model.parameters()).dtype)
    noise = noise + off * torch.randn(noise.shape, generator=torch.Generator().manual_seed(0)).to(noise)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        loss = NegativeLogLikelihood(model)(levels, noise)
    loss.backward()
    return {name: parameter.grad for name, parameter in model.named_parameters()}


def _distance(some: dict[str, Tensor], others: dict[str, Tensor]) -> float:
    """The largest relative distance of a parameter's gradient."""
    assert some.keys() == others.keys()
    return max(float((some[name] - others[name]).norm() / others[name].norm()) for name in others)


@pytest.mark.parametrize("recipe", FLOWS)
def test_gradients_are_the_stored_ones_up_to_the_last_digits(recipe: str, cifar10: Images) -> None:
    levels = cifar10.levels[:4]
    model = _as_if_trained(recipe, levels, torch.float64)
    stored = _gradients(model, levels, recompute=False)
    assert all(gradient.norm() > 0 for gradient in stored.values())
    assert _distance(_gradients(model, levels, recompute=True), stored) < 1e-9


@pytest.mark.parametrize("name", TRAINED)
def test_gradients_of_trained_models_agree_in_single_precision(name: str) -> None:
    model = flowgen.load(name, device="cpu")
    assert isinstance(model, nn.Module)
    model.requires_grad_(True)
    with torch.no_grad():
        levels = flowgen.to_bytes(model.sample(8, temperature=0.8, seed=0), model.levels)
    stored = _gradients(model, levels, recompute=False)
    # Where an input of a leaky ReLU is within rounding of 0, a gradient jumps, whatever computes it: noise that is off
    # by a millionth of a byte's cell says how far.
    rounding = _distance(_gradients(model, levels, recompute=False, off=1e-6), stored)
    assert _distance(_gradients(model, levels, recompute=True), stored) < max(1e-4, 2 * rounding)


def test_in_bf16_gradients_are_as_near_to_those_of_single_precision(digits: Images) -> None:
    """A net in bf16 rounds an input that moved by its last digit to another number: equal they are not, but as good."""
    levels = digits.levels[:32]
    model = _as_if_trained("glow", levels)
    exact = _gradients(model, levels, recompute=False)
    stored, recomputed = (_gradients(model, levels, recompute=again, bf16=True) for again in (False, True))
    assert _distance(stored, exact) > 1e-3
    assert _distance(recomputed, exact) < 2 * _distance(stored, exact)


def test_the_gradient_by_the_input_is_the_stored_one(digits: Images) -> None:
    levels = digits.levels[:8]
    model = _as_if_trained("glow", levels, torch.float64)
    x = ((levels + _noise(levels)) / 256).double().requires_grad_()
    (stored,) = torch.autograd.grad(model.log_prob(x).sum(), x)
    recompute_activations(model)
    (recomputed,) = torch.autograd.grad(model.log_prob(x).sum(), x)
    torch.testing.assert_close(recomputed, stored, rtol=1e-9, atol=1e-9)


def test_what_cannot_be_inverted_well_is_stored_wherever_it_stands() -> None:
    """A chain in a chain, a logit in the middle, a bijection turned round, a weight that is not trained."""
    torch.manual_seed(0)
    inner = Chain([InvertibleConv1x1(4), AdditiveCoupling(Halves(), ConvNet(2, 2, hidden=4))])
    squash = Inverse(Logit())
    chain = Chain([inner, squash, Logit(), Inverse(InvertibleConv1x1(4)), InvertibleConv1x1(4)]).double()
    assert [link.reversible for link in chain.links] == [True, False, False, True, True]
    nn.init.normal_(inner.links[1].conditioner.last.weight)
    chain.links[4].lower.requires_grad_(False)
    x, found = torch.randn(3, 4, 4, 4, dtype=torch.float64), []
    for recomputes in (False, True):
        chain.recomputes = inner.recomputes = recomputes
        z, log_det = chain(x)
        parameters = [parameter for parameter in chain.parameters() if parameter.requires_grad]
        found.append(torch.autograd.grad(z.sin().sum() + log_det.sum(), parameters))
    for recomputed, stored in zip(*found, strict=True):
        torch.testing.assert_close(recomputed, stored, rtol=1e-9, atol=1e-9)


def test_a_weight_that_changed_since_forward_is_noticed(digits: Images) -> None:
    levels = digits.levels[:4]
    model = _as_if_trained("glow", levels)
    recompute_activations(model)
    loss = NegativeLogLikelihood(model)(levels, _noise(levels))
    with torch.no_grad():
        next(p for name, p in model.named_parameters() if "conditioner" in name).add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


class Peak(TorchDispatchMode):
    """The largest number of bytes that tensors of a batch hold at once; a batch is told by its number of images."""

    def __init__(self, batch_size: int) -> None:
        super().__init__()
        self.batch_size = batch_size
        self.now = self.most = 0
        self.seen: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor) and tensor.dim() > 1 and len(tensor) == self.batch_size:
                self._hold(tensor.untyped_storage())
        return result

    def _hold(self, storage: torch.UntypedStorage) -> None:
        if storage._cdata not in self.seen:
            self.seen.add(storage._cdata)
            self.now += storage.nbytes()
            self.most = max(self.most, self.now)
            weakref.finalize(storage, self._let_go, storage._cdata, storage.nbytes())

    def _let_go(self, address: int, size: int) -> None:
        self.seen.discard(address)
        self.now -= size


def _peak(images: Images, depth: int, *, recompute: bool) -> int:
    levels = images.levels[:13]  # no other size here is 13
    model = _as_if_trained("glow", levels, depth=depth, mixture=0)
    if recompute:
        recompute_activations(model)
    noise, loss = _noise(levels), NegativeLogLikelihood(model)
    with Peak(len(levels)) as peak:
        loss(levels, noise).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    return peak.most


def test_memory_is_flat_in_depth(digits: Images) -> None:
    """64 steps a level, in two levels, hold as much as 16; where activations are stored, memory grows with depth."""
    at_16, at_64 = (_peak(digits, depth, recompute=True) for depth in (16, 64))
    assert at_64 < 1.05 * at_16
    stored = _peak(digits, 16, recompute=False)
    assert stored > 4 * at_16
    assert _peak(digits, 32, recompute=False) > 1.7 * stored


def test_drift_over_64_steps_a_level_is_small(digits: Images) -> None:
    """The errors of 128 inversions in single precision add up to less than a millionth of what they are made of."""
    levels = digits.levels[:8]
    model = _as_if_trained("glow", levels, depth=64)
    x = (levels + _noise(levels)) / 256
    chain = model.flow.bijection
    with torch.no_grad():
        middle = chain.links[1](chain.links[0](x)[0])[0]
        back = chain.links[2].inverse(chain.links[2](middle)[0])[0]
    assert (back - middle).norm() / middle.norm() < 1e-4


def test_training_goes_the_same_way(trainer: Callable[..., Trainer]) -> None:
    losses = {}
    for invertible in (False, True):
        run = trainer(name=f"{invertible}", settings={"steps": 5, "invertible": invertible})
        losses[invertible] = [run.learner.step(step, 1.0)[0] for step in range(5)]
    assert losses[True] == pytest.approx(losses[False], abs=1e-4)
    assert math.isfinite(losses[True][-1])


def test_training_in_bf16_meets_nothing_that_is_not_finite(trainer: Callable[..., Trainer]) -> None:
    run = trainer(settings={"steps": 20, "invertible": True, "mixed_precision": "bf16"})
    run.fit(progress=False)
    assert run.skipped == 0
    assert flowgen.describe(str(run.output)).settings["invertible"] is True


@pytest.mark.parametrize("recipe", AUTOREGRESSIVE)
def test_a_model_that_is_no_flow_is_refused(recipe: str, trainer: Callable[..., Trainer]) -> None:
    with pytest.raises(FlowgenError, match="this model is no flow; leave it out"):
        trainer(recipe, settings={"steps": 5, "invertible": True})


def test_a_compiled_loss_is_refused(trainer: Callable[..., Trainer]) -> None:
    with pytest.raises(FlowgenError, match="leave out it or --compile"):
        trainer(settings={"steps": 5, "invertible": True}, compile=True)
