import math

import pytest
import torch
from torch import nn

from flowgen.errors import FlowgenError
from flowgen.models import MODELS
from flowgen.training import Settings
from flowgen.training.optimizers import OPTIMIZERS, learning_rate_factor, make_optimizers


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("recipe", MODELS)
def test_every_weight_has_exactly_one_optimizer(name: str, recipe: str) -> None:
    model = MODELS[recipe]().build((1, 8, 8))
    assert isinstance(model, nn.Module)
    optimizers = make_optimizers(name, model, lr=1e-3, muon_lr=1e-2)
    moved = [id(p) for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]]
    assert sorted(moved) == sorted(id(p) for p in model.parameters())


def test_muon_takes_the_kernels_and_matrices_of_nets_and_nothing_else() -> None:
    model = MODELS["glow"](depth=2, hidden=8).build((1, 8, 8))
    assert isinstance(model, nn.Module)
    muon, adamw = make_optimizers("muon", model, lr=1e-3, muon_lr=1e-2, weight_decay=0.1)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    by_muon = {names[id(p)] for p in muon.param_groups[0]["params"]}
    by_adamw = {names[id(p)] for p in adamw.param_groups[0]["params"]}
    assert all("conditioner" in name and name.endswith("weight") for name in by_muon)
    assert any("lower" in name for name in by_adamw)  # a matrix too, but of a bijection: it is no net's
    assert muon.param_groups[0]["lr"] == 1e-2
    assert [group["weight_decay"] for group in muon.param_groups + adamw.param_groups] == [0.1, 0.0]
    assert adamw.param_groups[0]["lr"] == 1e-3


@pytest.mark.parametrize("recipe", ["pixelcnn", "gated_pixelcnn"])
def test_muon_hidden_leaves_the_last_layer_to_adamw(recipe: str) -> None:
    model = MODELS[recipe](hidden=6).build((3, 8, 8))
    assert isinstance(model, nn.Module)
    hidden = [id(p) for p in make_optimizers("muon_hidden", model, 1e-3, 1e-2)[0].param_groups[0]["params"]]
    every = [id(p) for p in make_optimizers("muon", model, 1e-3, 1e-2)[0].param_groups[0]["params"]]
    assert [one for one in every if one not in hidden] == [id(model.net.out.weight)]


def test_an_unknown_optimizer_is_refused() -> None:
    with pytest.raises(FlowgenError, match="muon, muon_hidden, adamw, adamax"):
        make_optimizers("sgd", nn.Linear(2, 2), 1e-3, 1e-2)


def test_the_rate_rises_stays_and_falls_to_nothing() -> None:
    factors = [learning_rate_factor(step, 100, warmup=10, decay=0.5) for step in range(100)]
    assert factors[:10] == [pytest.approx((i + 1) / 10) for i in range(10)]
    assert factors[10:50] == [1.0] * 40
    assert factors[50:] == [pytest.approx((100 - i) / 50) for i in range(50, 100)]
    assert learning_rate_factor(100, 100, warmup=10, decay=0.5) == 0.0


def test_without_warmup_and_decay_the_rate_stays() -> None:
    assert {learning_rate_factor(step, 10, warmup=0, decay=0.0) for step in range(10)} == {1.0}


def test_the_rate_is_the_same_before_the_total_is_known() -> None:
    for step in range(40):
        known = learning_rate_factor(step, 200, warmup=100, decay=0.6)
        assert learning_rate_factor(step, None, warmup=100, decay=0.6) == known


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, "either --steps or --hours"),
        ({"steps": 10, "hours": 1.0}, "either --steps or --hours"),
        ({"steps": 0}, "must be a number above 0"),
        ({"hours": -1.0}, "must be a number above 0"),
        ({"hours": math.nan}, "must be a number above 0"),
        ({"hours": math.inf}, "must be a number above 0"),
        ({"steps": 1, "decay": 1.5}, "--decay"),
        ({"steps": 1, "ema": 1.0}, "--ema"),
        ({"steps": 1, "batch_size": 0}, "--batch-size"),
        ({"steps": 1, "clip": 0.0}, "--clip"),
        ({"steps": 1, "clip": math.nan}, "--clip"),
        ({"steps": 1, "warmup": -1}, "--warmup"),
        ({"steps": 1, "lr": -1.0}, "--lr"),
        ({"steps": 1, "lr": 1e38}, "--lr"),
        ({"steps": 1, "muon_lr": math.nan}, "--muon-lr"),
        ({"steps": 1, "weight_decay": -0.1}, "--weight-decay"),
        ({"steps": 1, "weight_decay": math.nan}, "--weight-decay"),
        ({"steps": 1, "weight_decay": 0.5, "muon_lr": 3.0}, "--weight-decay"),
        ({"steps": 1, "mixed_precision": "fp16"}, "bf16"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(FlowgenError, match=sentence):
        Settings(**changes)  # type: ignore[arg-type]


def test_settings_are_ready_as_they_come() -> None:
    assert torch.tensor([Settings(steps=1).lr, Settings(hours=0.5).muon_lr]).isfinite().all()
