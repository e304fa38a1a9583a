"""Tiny real trainings: the digits of the fixture at 8x8, recipes of a few hundred weights."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate.state import AcceleratorState
from PIL import Image

from flowgen.checkpoint import Meta
from flowgen.data import Images
from flowgen.training import Batches, Run, Settings, Trainer

TINY: dict[str, dict[str, Any]] = {
    "nice": {"hidden": 8, "couplings": 3},
    "realnvp": {"hidden": 8, "couplings": 2},
    "glow": {"hidden": 8, "depth": 2},
    "pixelcnn": {"hidden": 8, "dilations": "1 2", "embedding": 4},
    "gated_pixelcnn": {"hidden": 8, "dilations": "1 2", "embedding": 4},
}  # a recipe that is not named here is trained as it comes


@pytest.fixture(autouse=True)
def _one_thread_and_an_accelerator_of_its_own() -> Iterator[None]:
    """Bit for bit asks for a fixed number of threads; accelerate keeps what the first training of a process chose."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def digits(mnist: Images) -> Images:
    """256 digits, (256, 1, 8, 8): every second pixel of their middle."""
    return Images(mnist.levels[:, :, 6:22:2, 6:22:2].contiguous(), None, (), horizontal_flips=False)


@pytest.fixture(scope="session")
def folder(digits: Images, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 64 of them as files, for the command line."""
    path = tmp_path_factory.mktemp("digits")
    for i, image in enumerate(digits.levels[:64]):
        Image.fromarray(image[0].numpy()).save(path / f"{i:02d}.png")
    return path


@pytest.fixture
def trainer(digits: Images, tmp_path: Path) -> Callable[..., Trainer]:
    """Makes a trainer of a tiny recipe; the name tells runs in one directory apart."""

    def make(recipe: str = "glow", *, name: str = "run", images: Images = digits, **options: Any) -> Trainer:
        settings = Settings(**{"batch_size": 8, "warmup": 10, **options.pop("settings", {"steps": 45})})
        hyperparameters = TINY.get(recipe, {}) | options.pop("hyperparameters", {})
        meta = Meta(recipe, hyperparameters, images.event_shape, dataset="digits")
        batches = Batches(images, settings.batch_size, settings.seed)
        run, output = Run(tmp_path / name), tmp_path / f"{name}.safetensors"
        return Trainer(meta, settings, batches, output=output, run=run, device="cpu", **options)

    return make
