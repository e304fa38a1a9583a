"""The loop: what it stores, what it skips, and that a run that was interrupted ends as if it had not been."""

import csv
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import flowgen
from flowgen.data import Images, dequantize
from flowgen.errors import FlowgenError
from flowgen.models import AUTOREGRESSIVE, MODELS
from flowgen.rng import keyed_uniform
from flowgen.training import NegativeLogLikelihood, Run, Trainer

TRAINER = Callable[..., Trainer]
BY_THE_CLOCK = ("images_per_second", "hours")


class Interrupted(Exception):
    """What a test stops a training with."""


def _interrupt_after(step: int) -> Callable[[dict[str, float]], None]:
    def track(row: dict[str, float]) -> None:
        if row["step"] > step:
            raise Interrupted

    return track


def _rows(run: Run) -> list[dict[str, str]]:
    with run.log_path.open(newline="") as file:
        return [{k: v for k, v in row.items() if k not in BY_THE_CLOCK} for row in csv.DictReader(file)]


def _weights(trainer: Trainer) -> dict[str, Tensor]:
    """The state that the run ended with, and the checkpoint that came of it."""
    model = flowgen.load(str(trainer.output), device="cpu")
    assert isinstance(model, nn.Module)
    state = trainer.run.load()
    return {f"{key}.{name}": value for key in ("model", "average") for name, value in state[key].items()} | {
        f"stored.{name}": value for name, value in model.state_dict().items()
    }


def _assert_equal(one: Trainer, other: Trainer) -> None:
    a, b = _weights(one), _weights(other)
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert _rows(one.run) == _rows(other.run)


@pytest.mark.parametrize("recipe", MODELS)
def test_training_lowers_bits_and_stores_the_averaged_weights(recipe: str, trainer: TRAINER, digits: Images) -> None:
    run = trainer(recipe, settings={"steps": 60, "seed": 1})
    levels, noise = digits.levels[:64], keyed_uniform((1, 8, 8), 0, range(64))
    loss = NegativeLogLikelihood(run.learner.model)
    before = loss(levels, noise).item()
    run.fit(progress=False)
    assert loss(levels, noise).item() < before - 0.02
    stored = flowgen.load(str(run.output), device="cpu")
    assert isinstance(stored, nn.Module)
    averaged = run.average.module.state_dict()
    assert all(torch.equal(value, averaged[name]) for name, value in stored.state_dict().items())
    assert any(not torch.equal(value, averaged[name]) for name, value in run.learner.model.state_dict().items())
    meta = flowgen.describe(str(run.output))
    assert (meta.steps, meta.images_seen, meta.recipe) == (60, 480, recipe)
    assert meta.settings["steps"] == 60


@pytest.mark.parametrize("optimizer", ["adamw", "adamax"])
def test_other_optimizers_train_as_well(optimizer: str, trainer: TRAINER, digits: Images) -> None:
    run = trainer(settings={"steps": 30, "optimizer": optimizer})
    levels, noise = digits.levels[:64], keyed_uniform((1, 8, 8), 0, range(64))
    loss = NegativeLogLikelihood(run.learner.model)
    before = loss(levels, noise).item()
    run.fit(progress=False)
    assert loss(levels, noise).item() < before


def test_bf16_trains_and_leaves_weights_in_float32(trainer: TRAINER) -> None:
    run = trainer(settings={"steps": 20, "mixed_precision": "bf16"})
    run.fit(progress=False)
    assert run.skipped == 0
    assert {value.dtype for value in _weights(run).values() if value.is_floating_point()} == {torch.float32}


def test_the_start_is_the_seeds_and_the_datas(trainer: TRAINER, digits: Images) -> None:
    """Weights by the seed whatever was drawn before; actnorm makes what the first coupling sees standard."""
    one = trainer(name="one").learner.model
    torch.rand(7)
    other = trainer(name="other").learner.model
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    x = dequantize(digits.levels, keyed_uniform((1, 8, 8), 99, range(256)))
    logit, mixture, scale = one.flow.bijection.links
    squeeze, actnorm = scale.links[:2]
    z = actnorm(squeeze(mixture(logit(x)[0])[0])[0])[0]
    assert z.mean((0, 2, 3)).abs().max() < 0.1
    assert (z.std((0, 2, 3)) - 1).abs().max() < 0.1


@pytest.mark.parametrize(("recipe", "optimizer"), [("glow", "muon"), ("nice", "adamax")])
def test_an_interrupted_run_ends_as_one_left_alone(recipe: str, optimizer: str, trainer: TRAINER) -> None:
    settings = {"steps": 45, "optimizer": optimizer}
    alone = trainer(recipe, name="alone", settings=settings)
    alone.fit(progress=False)
    for resume, step in ((False, 0), (True, 39)):
        with pytest.raises(Interrupted):
            trainer(recipe, name="again", settings=settings, save_every=0.0, track=_interrupt_after(step)).fit(
                progress=False, resume=resume
            )
    again = trainer(recipe, name="again", settings=settings)
    assert again.run.load()["step"] == 39
    again.fit(progress=False, resume=True)
    _assert_equal(alone, again)


def test_flips_and_noise_are_resumed_too(trainer: TRAINER, cifar10: Images) -> None:
    images = replace(cifar10, levels=cifar10.levels[..., 8:16, 8:16].contiguous())
    alone = trainer(name="alone", images=images, settings={"steps": 25})
    alone.fit(progress=False)
    with pytest.raises(Interrupted):
        trainer(name="again", images=images, settings={"steps": 25}, save_every=0.0, track=_interrupt_after(0)).fit(
            progress=False
        )
    again = trainer(name="again", images=images, settings={"steps": 25})
    again.fit(progress=False, resume=True)
    _assert_equal(alone, again)


def test_a_run_killed_before_its_first_save_starts_where_it_started(trainer: TRAINER) -> None:
    alone = trainer(name="alone", settings={"steps": 25})
    alone.fit(progress=False)
    with pytest.raises(Interrupted):
        trainer(name="again", settings={"steps": 25}, track=_interrupt_after(0)).fit(progress=False)
    again = trainer(name="again", settings={"steps": 25})
    assert again.run.load()["step"] == 0
    again.fit(progress=False, resume=True)
    _assert_equal(alone, again)


def test_hours_become_steps_once_and_are_resumed_exactly(trainer: TRAINER) -> None:
    """The schedule until the total is known is warm-up, so a run of as many steps by --steps is the same run."""
    hours = {"hours": 0.0005, "decay": 0.02}
    with pytest.raises(Interrupted):
        trainer(name="hours", settings=hours, track=_interrupt_after(0)).fit(progress=False)
    timing = trainer(name="hours", settings=hours, track=_interrupt_after(40))
    assert timing.run.load()["total"] is None  # killed while being timed: it is timed again, from the start
    with pytest.raises(Interrupted):
        timing.fit(progress=False, resume=True)
    state = timing.run.load()
    assert state["step"] >= 40
    assert state["total"] > 40
    resumed = trainer(name="hours", settings=hours)
    resumed.fit(progress=False, resume=True)
    assert resumed.step == resumed.total == state["total"]
    counted = trainer(name="steps", settings={"steps": state["total"], "decay": 0.02})
    counted.fit(progress=False)
    _assert_equal(resumed, counted)
    assert flowgen.describe(str(resumed.output)).hours > 0


def test_a_finished_run_resumed_is_finished(trainer: TRAINER) -> None:
    run = trainer(settings={"steps": 12})
    run.fit(progress=False)
    stored = run.output.read_bytes()
    run.output.unlink()
    again = trainer(settings={"steps": 12})
    again.fit(progress=False, resume=True)
    assert again.output.read_bytes() == stored


def test_the_log_has_a_row_every_twenty_steps_and_one_at_the_end(trainer: TRAINER) -> None:
    seen: list[dict[str, float]] = []
    run = trainer(settings={"steps": 45}, track=seen.append)
    run.fit(progress=False)
    assert [row["step"] for row in _rows(run.run)] == ["20", "40", "45"]
    assert [row["step"] for row in seen] == [20, 40, 45]
    assert all(math.isfinite(value) for row in seen for value in row.values())


def test_the_log_counts_beyond_a_million_and_drops_what_was_half_written(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    run.start_log(0)
    run.log(
        dict.fromkeys(("bits_per_dim", "gradient_norm", "learning_rate", "images_per_second", "hours"), 1.5)
        | {"step": 1_234_560, "skipped": 0}
    )
    with run.log_path.open("a") as file:
        file.write("12,1.25,0.")
    run.start_log(2_000_000)
    assert [row["step"] for row in _rows(run)] == ["1234560"]


def test_the_learner_skips_what_is_not_finite_and_moves_nothing(trainer: TRAINER) -> None:
    run = trainer()
    before = {name: value.clone() for name, value in run.learner.model.state_dict().items()}
    bias = next(parameter for name, parameter in run.learner.model.named_parameters() if name.endswith("last.bias"))
    with torch.no_grad():
        bias.fill_(torch.nan)
    loss, _, moved = run.learner.step(0, 1.0)
    assert math.isnan(loss)
    assert not moved
    with torch.no_grad():
        bias.zero_()
    assert all(torch.equal(value, before[name]) for name, value in run.learner.model.state_dict().items())
    assert all(parameter.grad is None for parameter in run.learner.model.parameters())
    assert not any(optimizer.state_dict()["state"] for optimizer in run.learner.optimizers)


def test_ten_steps_in_a_row_that_are_not_finite_stop_with_a_sentence(trainer: TRAINER) -> None:
    """At a rate of 100,000 the first step throws the weights out of range; the second and all after it are skipped."""
    run = trainer(settings={"steps": 100, "lr": 1e5, "warmup": 0})
    with pytest.raises(FlowgenError, match=r"10 steps in a row up to step 11 .* not finite; lower the learning rates"):
        run.fit(progress=False)
    assert run.skipped == 10
    assert not run.output.exists()


def test_skipped_steps_are_counted_and_shown(trainer: TRAINER, capsys: pytest.CaptureFixture[str]) -> None:
    """A weight is not finite for a while, as a failing device would have it, and then it is again."""
    seen: list[dict[str, float]] = []
    run = trainer(settings={"steps": 45}, track=seen.append)
    bias = next(parameter for name, parameter in run.learner.model.named_parameters() if name.endswith("last.bias"))
    good = bias.detach().clone()

    def fail_for_a_while(module: nn.Module, inputs: object) -> None:
        with torch.no_grad():
            if run.step == 22:
                good.copy_(bias)
                bias.fill_(torch.nan)
            if run.step == 27:
                bias.copy_(good)

    run.learner.model.flow.bijection.register_forward_pre_hook(fail_for_a_while)
    run.fit()
    assert run.skipped == 5
    assert [row["skipped"] for row in seen] == [0, 5, 5]
    assert [row["skipped"] for row in _rows(run.run)] == ["0", "5", "5"]
    assert all(math.isfinite(row["bits_per_dim"]) for row in seen)
    assert "5 skipped" in capsys.readouterr().err
    assert all(value.isfinite().all() for value in _weights(run).values() if value.is_floating_point())


def test_other_settings_or_other_data_are_not_the_same_run(trainer: TRAINER, digits: Images) -> None:
    trainer(settings={"steps": 5}).fit(progress=False)
    with pytest.raises(FlowgenError, match=r"had seed = 0, and this command says 1; .* --restart"):
        trainer(settings={"steps": 5, "seed": 1}).fit(progress=False, resume=True)
    with pytest.raises(FlowgenError, match="had recipe = glow, and this command says nice"):
        trainer("nice", settings={"steps": 5}).fit(progress=False, resume=True)
    fewer = replace(digits, levels=digits.levels[:100])
    with pytest.raises(FlowgenError, match="had shape = "):
        trainer(images=fewer, settings={"steps": 5}).fit(progress=False, resume=True)


@pytest.mark.parametrize("damage", ["truncated", "empty", "foreign", "pickle", "incomplete"])
def test_a_damaged_state_is_refused_with_a_sentence(damage: str, trainer: TRAINER) -> None:
    run = trainer(settings={"steps": 5})
    run.fit(progress=False)
    path = run.run.state_path
    whole = path.read_bytes()
    if damage == "truncated":
        path.write_bytes(whole[: len(whole) // 2])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "foreign":
        path.write_bytes(b"GIF89a" * 100)
    elif damage == "pickle":
        torch.save({"identity": Path("/")}, path)
    else:
        state = run.run.load()
        del state["optimizers"]
        run.run.save(state)
    with pytest.raises(FlowgenError, match=r"state of this run .* --restart"):
        trainer(settings={"steps": 5}).fit(progress=False, resume=True)


def test_a_state_from_before_the_smoothed_figure_was_kept_can_be_resumed(trainer: TRAINER) -> None:
    with pytest.raises(Interrupted):
        trainer(settings={"steps": 25}, save_every=0.0, track=_interrupt_after(0)).fit(progress=False)
    run = trainer(settings={"steps": 25})
    state = run.run.load()
    del state["bits_per_dim"], state["identity"]["shape"]
    run.run.save(state)
    run.fit(progress=False, resume=True)
    assert math.isfinite(run.bits_per_dim)


@pytest.mark.parametrize("recipe", AUTOREGRESSIVE)
def test_a_model_of_classes_learns_from_the_labels(recipe: str, trainer: TRAINER, digits: Images) -> None:
    """Black images are of one class and white ones of the other, so that the label alone tells the first pixel."""
    labels = torch.arange(256) % 2
    levels = (255 * labels).to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 4, 4).contiguous()
    images = replace(digits, levels=levels, labels=labels)
    run = trainer(recipe, images=images, hyperparameters={"num_classes": 2}, settings={"steps": 60, "batch_size": 16})
    run.fit(progress=False)
    model: Any = flowgen.load(str(run.output), "cpu")
    black, white = levels[:1], levels[1:2]
    assert model.given(0).log_mass(black) > model.given(0).log_mass(white) + 1
    assert model.given(1).log_mass(white) > model.given(1).log_mass(black) + 1


@pytest.mark.parametrize("there", [0, 10])
def test_classes_that_the_data_does_not_have_are_refused(
    there: int, trainer: TRAINER, digits: Images, mnist: Images
) -> None:
    images = replace(digits, labels=mnist.labels) if there else digits
    with pytest.raises(FlowgenError, match=f"know 3 classes and the data set has {there}; use --num-classes {there}"):
        trainer("gated_pixelcnn", images=images, hyperparameters={"num_classes": 3})


@pytest.mark.slow
@pytest.mark.filterwarnings(  # the compiler's own, about what it looks at on its way
    "ignore:.*torch._prims_common.check.*:FutureWarning", "ignore:The .grad attribute of a Tensor that is not a leaf"
)
@pytest.mark.parametrize("recipe", MODELS)
def test_compiled_loss_is_the_same(recipe: str, trainer: TRAINER) -> None:
    plain, compiled = trainer(recipe, name="plain"), trainer(recipe, name="compiled", compile=True)
    for step in range(3):
        expected, norm, _ = plain.learner.step(step, 1.0)
        loss, compiled_norm, moved = compiled.learner.step(step, 1.0)
        assert moved
        assert loss == pytest.approx(expected, abs=1e-4)
        assert compiled_norm == pytest.approx(norm, rel=1e-3)


def test_building_leaves_the_callers_randomness_alone(trainer: TRAINER) -> None:
    torch.manual_seed(5)
    expected = torch.rand(4)
    torch.manual_seed(5)
    trainer()
    assert torch.equal(torch.rand(4), expected)


def test_training_does_without_denormals_and_leaves_them_as_they_were(trainer: TRAINER) -> None:
    tiny = torch.full((16,), 1e-30)
    seen: list[float] = []
    trainer(settings={"steps": 20}, track=lambda _row: seen.append(float((tiny * 1e-10).max()))).fit(progress=False)
    assert seen == [0.0]
    assert (tiny * 1e-10).min() > 0
