"""What a run leaves: completions, mean and deviation, an animation, a trace, and all of it in one archive."""

import csv
import dataclasses
import io
import json
import time
import zipfile
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from flowgen.errors import FlowgenError
from flowgen.inference import METHODS, Frame, Recorder, complete, methods_of
from flowgen.inference import memory as memory_module
from flowgen.inference.kernels import MALA
from flowgen.inference.memory import bytes_per_image, check_memory
from flowgen.models import MODELS

SHAPE = (1, 8, 8)
SMALL = {"glow": {"hidden": 8, "depth": 1}, "gated_pixelcnn": {"hidden": 8, "dilations": "1 2", "embedding": 4}}
ENTRIES = {
    "image.png", "mask.png", "completions.png", "mean.png", "deviation.png", "chain.webp", "trace.csv", "settings.json",
}  # fmt: skip


@pytest.fixture(scope="module")
def models():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return {name: MODELS[name](**small).build(SHAPE) for name, small in SMALL.items()}


@pytest.fixture(scope="module")
def image():
    return torch.randint(0, 256, SHAPE, dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def known():
    known = torch.ones(8, 8, dtype=torch.bool)
    known[6:] = False
    return known


def fitting(models, method):
    return next(model for model in models.values() if method in methods_of(model))


def record(model, image, known, method, *, steps=12, num=3, stop=None, seed=0):
    recorder = Recorder(image, known, 256, METHODS[method])
    for frame in recorder.watch(complete(model, image, known, method=method, num=num, steps=steps, seed=seed)):
        if frame.step == stop:
            break
    return recorder.result({"method": method, "seed": seed})


def pixels(content):
    with Image.open(io.BytesIO(content)) as picture:
        return torch.from_numpy(np.array(picture))


@pytest.mark.parametrize("method", METHODS)
def test_every_method_leaves_an_archive_that_keeps_known_pixels(models, image, known, method):
    result = record(fitting(models, method), image, known, method)
    with zipfile.ZipFile(io.BytesIO(result.archive())) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    singles = [name for name in files if name.startswith("completions/")]
    assert set(files) == ENTRIES | set(singles)
    assert len(singles) == len(result.completions)
    for name in [*singles, "mean.png", "image.png"]:
        assert torch.equal(pixels(files[name])[known], image[0][known]), name
    assert (pixels(files["deviation.png"])[known] == 0).all()
    assert torch.equal(pixels(files["mask.png"]) == 0, known)
    settings = json.loads(files["settings.json"])
    assert settings["method"] == method
    assert settings["steps_done"] == settings["steps"]
    assert settings["versions"]["torch"] == torch.__version__.partition("+")[0]
    assert settings["diagnostics"]["verdict"] == result.diagnostics.verdict
    rows = list(csv.DictReader(io.StringIO(files["trace.csv"].decode())))
    assert int(rows[-1]["step"]) == settings["steps"]
    assert all(np.isfinite(float(row["log_density_0"])) for row in rows)


@pytest.mark.parametrize("method", METHODS)
def test_a_seed_repeats_the_whole_result(models, image, known, method):
    one, two = (record(fitting(models, method), image, known, method, seed=4).files() for _ in range(2))
    assert {name: content for name, content in one.items() if name != "settings.json"} == {
        name: content for name, content in two.items() if name != "settings.json"
    }  # the settings say how many seconds it took


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("stop", [1, 4])
def test_a_stopped_run_keeps_what_came(models, image, known, method, stop):
    result = record(fitting(models, method), image, known, method, stop=stop)
    assert result.settings["steps_done"] == stop
    assert result.trace.steps.tolist() == list(range(1, stop + 1))
    assert len(result.film) == stop
    assert result.completions[:, :, known].unique(dim=0).shape[0] == 1
    assert result.diagnostics.converged in (None, False)
    assert result.archive()


def frame(step, values, total=8, warming_up=False):
    """Chains of one hidden pixel, whose position is its level."""
    position = torch.tensor(values, dtype=torch.float64)[:, None]

    def to_image(u):
        return torch.cat([torch.full_like(u, 9), u], dim=1).byte().view(-1, 1, 1, 2)

    still = torch.zeros(len(position), dtype=torch.int64)
    return Frame(step, total, position, -position[:, 0], still, torch.full((len(position),), 0.5), warming_up, to_image)


def record_frames(frames):
    recorder = Recorder(torch.tensor([[[9, 0]]], dtype=torch.uint8), torch.tensor([[True, False]]), 256, MALA)
    for _ in recorder.watch(frames):
        pass
    return recorder.result({})


def test_mean_and_deviation_are_of_the_draws_after_warm_up():
    warm = [frame(step, [200, 200], warming_up=True) for step in (1, 2, 3, 4)]
    draws = [frame(step, [10 * step, 0]) for step in (5, 6, 7, 8)]
    result = record_frames(warm + draws)
    drawn = torch.tensor([50.0, 60, 70, 80, 0, 0, 0, 0])
    assert result.mean.flatten().tolist() == [9.0, drawn.mean().item()]
    assert result.deviation.flatten().tolist() == [0.0, pytest.approx(drawn.std(correction=0).item())]
    assert pixels(result.deviation_png())[0, 1] == round(255 * 2 * drawn.std(correction=0).item() / 255)
    assert result.completions[:, 0, 0, 1].tolist() == [80, 0]
    assert result.film[:, 0, 0, 0, 1].tolist() == [200] * 4 + [50, 60, 70, 80]
    assert result.trace.acceptance.tolist() == [0.5] * 8


def test_of_a_long_run_draws_are_kept_evenly():
    result = record_frames([frame(step, [step // 4] * 512, total=1000) for step in range(1, 1001)])
    assert result.mean.flatten()[1] == (125 + 250) / 2, "there is room for two draws of 512 chains"
    assert len(result.trace.steps) == 1000
    assert 24 <= len(result.film) <= 48
    assert result.film[-1, 0, 0, 0, 1] == 250


def test_of_a_run_that_was_stopped_only_as_many_pictures_are_made_as_a_time_allows():
    """A picture takes 10 ms: of 48 frames of the animation and 99 draws some 20 are made, evenly spread."""
    made = 0

    def slow(u):
        nonlocal made
        made += 1 if len(u) == 1 else len(u)
        time.sleep(0.01 * len(u))
        return torch.cat([torch.full_like(u, 9), u], dim=1).byte().view(-1, 1, 1, 2)

    frames = [replace(frame(step, [step], total=100), to_image=slow) for step in range(1, 101)]
    recorder = Recorder(torch.tensor([[[9, 0]]], dtype=torch.uint8), torch.tensor([[True, False]]), 256, MALA)
    for _ in recorder.watch(frames):
        pass
    started = time.monotonic()
    result = recorder.result({}, seconds=0.4)
    assert time.monotonic() - started < 1.5
    assert made < 40
    assert result.film[-1, 0, 0, 0, 1] == 100, "the last is among them"
    steps = result.film[:, 0, 0, 0, 1].double()
    assert 2 <= len(steps) < 12
    assert steps.diff().min() == steps.diff().max()
    assert result.trace.steps.tolist() == list(range(1, 101))


def test_the_animation_shows_the_run_without_loss():
    result = record_frames([frame(step, [20 * step, 7], total=3) for step in (1, 2, 3)])
    with Image.open(io.BytesIO(result.film_webp())) as film:
        assert film.n_frames == 3
        scale = film.width // 4 if film.width < film.height else film.width // 6
        film.seek(2)
        last = np.asarray(film.convert("L"))
    assert scale > 8
    assert {9, 60, 7} <= set(np.unique(last).tolist())


def test_a_sentence_says_which_pixel_it_is_about():
    """Two hidden pixels that drift apart, with a mean and a log-density that do not."""
    noise = torch.Generator().manual_seed(0)

    def drifting(step):
        levels = torch.tensor([[[[9, 100 + step], [9, 100 - step]]]] * 2, dtype=torch.uint8)
        shown, calm = frame(step, [0, 0], total=60), torch.randn(2, generator=noise)
        return dataclasses.replace(shown, log_density=calm, to_image=lambda u: levels)

    recorder = Recorder(levels_of(9, 0, 9, 0), torch.tensor([[True, False], [True, False]]), 256, MALA)
    for step in range(1, 61):
        recorder.add(drifting(step))
    assert "in the bulk of the pixel in row 1, column 2" in recorder.result({}).diagnostics.verdict


def levels_of(*values):
    return torch.tensor(values, dtype=torch.uint8).view(1, 2, 2)


def test_a_run_without_a_step_has_no_result(image, known):
    with pytest.raises(FlowgenError, match="before its first step"):
        Recorder(image, known, 256, MALA).result({})


@pytest.mark.parametrize("recipe", SMALL)
def test_more_chains_than_memory_allows_are_refused_before_the_first_step(models, image, known, recipe, monkeypatch):
    each = bytes_per_image(models[recipe])
    monkeypatch.setattr(memory_module, "free_bytes", lambda device: 10.5 * each / memory_module.SHARE)
    method = "in_order" if recipe == "gated_pixelcnn" else "mala"
    complete(models[recipe], image, known, method=method, num=10, steps=1)
    with pytest.raises(FlowgenError, match=r"11 chains need about .* GB of memory.*: ask for at most 10 at a time"):
        complete(models[recipe], image, known, method=method, num=11, steps=1)


def test_a_flows_images_take_what_their_gradient_keeps(models):
    """Two convolutions' inputs alone are 8 channels of 16 pixels in float32, for each of two scales or more."""
    wide = MODELS["glow"](hidden=64, depth=1).build(SHAPE)
    assert bytes_per_image(models["glow"]) > 4 * 8 * 16
    assert bytes_per_image(wide) > 2 * bytes_per_image(models["glow"])
    assert all(parameter.grad is None for parameter in wide.parameters())


def test_drawing_holds_less_than_the_whole_pass(models):
    held = bytes_per_image(models["gated_pixelcnn"])
    assert 8 * 64 < held < 2 * 8 * 64 * 256, "the image, and what is known of all of its pixels' levels, in float64"


def test_methods_of_several_images_a_chain_need_several_times_the_memory(models, monkeypatch):
    each = bytes_per_image(models["glow"])
    monkeypatch.setattr(memory_module, "free_bytes", lambda device: 10.5 * each / memory_module.SHARE)
    check_memory(models["glow"], SimpleNamespace(num_particles=5), 2)
    with pytest.raises(FlowgenError, match="at most 2 at a time"):
        check_memory(models["glow"], SimpleNamespace(num_particles=5), 3)
    with pytest.raises(FlowgenError, match="smaller model or fewer particles"):
        check_memory(models["glow"], SimpleNamespace(particles=11), 1)
