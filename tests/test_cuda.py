"""The same code on CUDA: on a fake device everywhere, on a real one where there is one.

A fake tensor has a shape, a dtype and a device, and no values; operations check all three. A tensor that was left on
the CPU therefore raises here as it would on a GPU. Two things need values: `bool` and `nonzero`, which get an answer
here, and the engine of autograd, whose gradient is taken to be like its input.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

import flowgen
from flowgen.bijections import Bijection
from flowgen.checkpoint import Meta, save_checkpoint
from flowgen.data import Images, to_bytes
from flowgen.density import StandardNormal
from flowgen.inference import (
    KERNELS,
    METHODS,
    ChainGenerators,
    Levels,
    Reals,
    complete,
    interpolate,
    levels_target,
    methods_for,
    pixel_target,
)
from flowgen.inference.sequential_target import SequentialTarget
from flowgen.models import AUTOREGRESSIVE, FLOWS, MODELS, Dequantized, Flow, ImageModel, UniformDequantizer
from flowgen.training import Batches, Run, Settings, Trainer

SHAPE = (1, 8, 8)
SMALL: dict[str, dict[str, Any]] = {
    "nice": {"hidden": 4, "couplings": 2, "blocks": 1},
    "realnvp": {"hidden": 4, "couplings": 2},
    "glow": {"hidden": 4, "depth": 1},
    "pixelcnn": {"hidden": 4, "dilations": "1 2", "embedding": 4},
    "gated_pixelcnn": {"hidden": 4, "dilations": "1 2", "embedding": 4},
}  # one of each part; a recipe that is not named here comes as it is
HIDDEN_PIXELS = 7
FOR_REALS, FOR_LEVELS = methods_for(Reals(1)), methods_for(Levels(1, 2))

# deepcopy looks whether a tensor has storage, and a fake one has none.
pytestmark = pytest.mark.filterwarnings("ignore:Accessing the data pointer of FakeTensor")


class Answers(TorchDispatchMode):
    """What a fake tensor cannot tell: numbers are taken from a list, then are 1 (true); nonzero finds seven places."""

    def __init__(self, *answers: Any) -> None:
        super().__init__()
        self.answers = list(answers)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten._local_scalar_dense.default:
            return self.answers.pop(0) if self.answers else 1
        if func is torch.ops.aten.nonzero.default:
            return args[0].new_empty((HIDDEN_PIXELS, args[0].dim()), dtype=torch.int64)
        return func(*args, **(kwargs or {}))


@contextmanager
def fake_cuda(model: nn.Module, *answers: Any) -> Iterator[None]:
    """A context with a fake device, where a model that was built on the CPU has been moved: its parameters and buffers.

    What else it holds stays behind, as `Module.to` would leave it.
    """
    with FakeTensorMode(allow_non_fake_inputs=True) as mode, Answers(*answers):
        for module in model.modules():
            for name, parameter in module._parameters.items():
                if parameter is not None:
                    module._parameters[name] = nn.Parameter(mode.from_tensor(parameter.detach()).to("cuda"))
            for name, buffer in module._buffers.items():
                if buffer is not None:
                    module._buffers[name] = mode.from_tensor(buffer).to("cuda")
        yield


def _build(recipe: str) -> Any:
    return MODELS[recipe](**SMALL.get(recipe, {})).build(SHAPE)


def _levels(n: int) -> Tensor:
    return torch.zeros(n, *SHAPE, dtype=torch.uint8, device="cuda")


def _on_cuda(value: Tensor, *shape: int) -> None:
    assert value.device.type == "cuda"
    assert value.shape == shape


@pytest.mark.parametrize("recipe", MODELS)
@pytest.mark.parametrize("frozen", [False, True], ids=["trainable", "frozen"])
def test_a_model_scores_on_its_device(recipe: str, frozen: bool) -> None:
    model = _build(recipe)
    with fake_cuda(model):
        model = model.frozen() if frozen else model
        x = torch.rand(2, *SHAPE, device="cuda")
        _on_cuda(model.log_prob(x), 2)
        _on_cuda(model.bound(_levels(2), x), 2)
        _on_cuda(model.log_mass(_levels(2), num_samples=2), 2)
        _on_cuda(model.log_mass(_levels(2), generator=torch.Generator().manual_seed(0)), 2)
        _on_cuda(model.decode(model.encode(x)), 2, *SHAPE)


@pytest.mark.parametrize("recipe", MODELS)
@pytest.mark.parametrize("frozen", [False, True], ids=["trainable", "frozen"])
def test_a_model_samples_on_its_device(recipe: str, frozen: bool) -> None:
    model = _build(recipe)
    with fake_cuda(model):
        model = model.frozen() if frozen else model
        _on_cuda(model.sample(3, seed=1, temperature=0.7), 3, *SHAPE)
        _on_cuda(model.sample(3, generator=torch.Generator().manual_seed(0)), 3, *SHAPE)
        _on_cuda(model.sample(3), 3, *SHAPE)
        x, log_prob = model.sample_and_log_prob(3, seed=1)
        _on_cuda(x, 3, *SHAPE)
        _on_cuda(log_prob, 3)


@pytest.mark.parametrize("recipe", MODELS)
def test_a_model_starts_from_data_on_its_device(recipe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.autograd, "grad", lambda output, inputs: [torch.zeros_like(one) for one in inputs])
    model = _build(recipe)
    with fake_cuda(model):
        model.initialize(torch.rand(4, *SHAPE, device="cuda"))


@pytest.mark.parametrize("recipe", MODELS)
@pytest.mark.parametrize("parallel", [False, True], ids=["arc", "parallel"])
def test_interpolation_runs_on_the_models_device(recipe: str, parallel: bool) -> None:
    model = _build(recipe)
    in_range = [0, 255, 0, 255]  # the least and the largest level of both ends; then whether an arc has a direction
    if recipe in AUTOREGRESSIVE:
        in_range.append(True)  # pixel values in [0, 1]
    with fake_cuda(model, *in_range, parallel):
        _on_cuda(interpolate(model, _levels(1)[0], _levels(1)[0].cpu(), 4), 4, *SHAPE)


@pytest.mark.parametrize("recipe", FLOWS)
@pytest.mark.parametrize("kernel", FOR_REALS)
def test_kernels_step_on_the_models_device(recipe: str, kernel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.autograd, "grad", lambda outputs, inputs: (torch.zeros_like(inputs),))
    model = _build(recipe)
    with fake_cuda(model):
        model, move = model.frozen(), KERNELS[kernel]()
        known = torch.zeros(SHAPE, dtype=torch.bool, device="cuda")
        target = pixel_target(model, _levels(1)[0], known, jacobian=move.jacobian)
        state = move.init(target, torch.zeros(3, HIDDEN_PIXELS, device="cuda"))
        for _ in range(2):
            state, info = move.step(target, state, ChainGenerators(0, range(3)))
        _on_cuda(state.position, 3, HIDDEN_PIXELS)
        _on_cuda(state.log_density, 3)
        _on_cuda(info.rejected, 3)
        _on_cuda(target.to_image(state.position), 3, *SHAPE)


@pytest.fixture
def middle(monkeypatch: pytest.MonkeyPatch) -> Tensor:
    """Seven hidden pixels among 64, which a fake mask cannot tell: (1, 8, 8), True where known."""
    hidden = [28 <= place < 28 + HIDDEN_PIXELS for place in range(64)]
    monkeypatch.setattr(SequentialTarget, "hidden", hidden)
    return ~torch.tensor(hidden).view(SHAPE)


@pytest.mark.parametrize("recipe", AUTOREGRESSIVE)
@pytest.mark.parametrize("kernel", FOR_LEVELS)
def test_kernels_over_levels_step_on_the_models_device(recipe: str, kernel: str, middle: Tensor) -> None:
    model = _build(recipe)
    with fake_cuda(model):
        model, move = model.frozen(), KERNELS[kernel]()
        target = levels_target(model, _levels(1)[0], middle.to("cuda"))
        state = move.init(target, torch.zeros(3, HIDDEN_PIXELS, dtype=torch.long, device="cuda"))
        for _ in range(2):
            state, info = move.step(target, state, ChainGenerators(0, range(3)))
        _on_cuda(state.position, 3, HIDDEN_PIXELS)
        _on_cuda(state.log_density, 3)
        _on_cuda(info.rejected, 3)
        _on_cuda(target.to_image(state.position), 3, *SHAPE)


@pytest.mark.parametrize("recipe", AUTOREGRESSIVE)
def test_particles_move_on_the_models_device(recipe: str, middle: Tensor) -> None:
    model = _build(recipe)
    with fake_cuda(model):
        smc = METHODS["raster_smc"](num_particles=5)
        frames = smc.complete(model.frozen(), _levels(1)[0], middle.to("cuda"), seed=0, variants=range(3))
        for frame in frames:
            _on_cuda(frame.position, 3, HIDDEN_PIXELS)
            _on_cuda(frame.log_density, 3)
            _on_cuda(frame.levels, 3, *SHAPE)


class Shift(Bijection):
    """A shift whose tensor is registered, or forgotten."""

    def __init__(self, *, registered: bool) -> None:
        super().__init__()
        if registered:
            self.register_buffer("shift", torch.ones(4))
        else:
            self.shift = torch.ones(4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x + self.shift, x.new_zeros(len(x))

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        return z - self.shift, z.new_zeros(len(z))


def test_a_tensor_that_was_left_behind_is_found() -> None:
    def model(*, registered: bool) -> Dequantized:
        return Dequantized(Flow(StandardNormal((4,)), Shift(registered=registered), (4,)), UniformDequantizer(256))

    moved, stray = model(registered=True), model(registered=False)
    with fake_cuda(moved):
        _on_cuda(moved.log_prob(torch.rand(2, 4, device="cuda")), 2)
        _on_cuda(moved.sample(2, seed=0), 2, 4)
    with fake_cuda(stray):
        for mixes in (lambda: stray.log_prob(torch.rand(2, 4, device="cuda")), lambda: stray.sample(2, seed=0)):
            with pytest.raises(RuntimeError, match="cuda:0 and cpu"):
                mixes()


@pytest.fixture
def stored(request: pytest.FixtureRequest, tmp_path: Path, mnist: Images) -> str:
    """A checkpoint of an untrained model that has seen data."""
    recipe = request.param
    torch.manual_seed(0)
    model: Any = MODELS[recipe](**SMALL.get(recipe, {})).build((1, 28, 28))
    model.initialize((mnist.levels + 0.5) / 256)
    path = tmp_path / f"{recipe}.safetensors"
    save_checkpoint(path, model, Meta(recipe, SMALL.get(recipe, {}), (1, 28, 28)))
    return str(path)


@pytest.mark.cuda
@pytest.mark.parametrize("stored", MODELS, indirect=True)
def test_a_seed_means_the_same_on_cuda(stored: str, mnist: Images) -> None:
    cpu, cuda = (flowgen.load(stored, device=device) for device in ("cpu", "cuda"))
    assert cuda.prior.anchor.device.type == "cuda"
    x = cuda.sample(4, seed=3)
    torch.testing.assert_close(x.cpu(), cpu.sample(4, seed=3), atol=1e-4, rtol=0)
    levels = mnist.levels[:8]
    masses = [model.log_mass(levels.to(device), generator=torch.Generator().manual_seed(0)).cpu()
              for model, device in ((cpu, "cpu"), (cuda, "cuda"))]  # fmt: skip
    torch.testing.assert_close(*masses, atol=0.05, rtol=1e-5)
    assert cuda.sample(2, generator=torch.Generator("cuda").manual_seed(0)).device.type == "cuda"


@pytest.mark.cuda
@pytest.mark.parametrize("stored", FLOWS, indirect=True)
@pytest.mark.parametrize("kernel", FOR_REALS)
def test_inpainting_keeps_known_bytes_on_cuda(stored: str, kernel: str, mnist: Images) -> None:
    model: ImageModel = flowgen.load(stored, device="cuda")
    image, known = mnist.levels[0], torch.ones(28, 28, dtype=torch.bool)
    known[10:18, 10:18] = False
    *_, last = complete(model, image, known, method=kernel, num=2, steps=3, seed=0)
    levels = last.levels.cpu()
    assert torch.equal(levels[:, :, known], image[:, known].expand(2, -1, -1))
    assert torch.equal(to_bytes(interpolate(model, image, mnist.levels[1], 3))[0].cpu(), image)


@pytest.mark.cuda
@pytest.mark.parametrize("stored", AUTOREGRESSIVE, indirect=True)
@pytest.mark.parametrize("method", ["raster_smc", *FOR_LEVELS])
def test_particles_and_chains_over_levels_keep_known_bytes_on_cuda(stored: str, method: str, mnist: Images) -> None:
    model: ImageModel = flowgen.load(stored, device="cuda")
    image, known = mnist.levels[0], torch.ones(28, 28, dtype=torch.bool)
    known[12:15, 12:15] = False
    *_, last = complete(model, image, known, method=method, num=2, steps=3, seed=0)
    assert torch.equal(last.levels.cpu()[:, :, known], image[:, known].expand(2, -1, -1))
    assert last.log_density.isfinite().all()


@pytest.mark.cuda
@pytest.mark.parametrize("precision", ["no", "bf16"])
def test_training_on_cuda_is_stored_for_every_device(precision: Any, mnist: Images, tmp_path: Path) -> None:
    images = Images(mnist.levels[:, :, 6:22:2, 6:22:2].contiguous(), None, (), horizontal_flips=False)
    settings = Settings(steps=25, batch_size=16, mixed_precision=precision)
    meta = Meta("glow", {"hidden": 8, "depth": 2}, SHAPE, dataset="digits")
    output, run = tmp_path / "glow.safetensors", Run(tmp_path / "run")
    trainer = Trainer(meta, settings, Batches(images, 16, 0), output=output, run=run, device="cuda")
    trainer.fit(progress=False)
    assert trainer.skipped == 0
    again = Trainer(meta, settings, Batches(images, 16, 0), output=output, run=run, device="cuda")
    again.fit(progress=False, resume=True)
    assert again.step == 25
    assert flowgen.load(str(output), device="cpu").sample(2, seed=0).isfinite().all()
