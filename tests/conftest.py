"""Real images for every test, and what runs only where a GPU is."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from flowgen.data import Images

# Models here are tiny: a second thread costs more than it brings, above all where another process wants the core.
torch.set_num_threads(1)

FIXTURES = Path(__file__).parent / "fixtures"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("cuda"):
                item.add_marker(pytest.mark.skip(reason="no CUDA device here"))


def _images(name: str, *, horizontal_flips: bool) -> Images:
    with np.load(FIXTURES / f"{name}.npz") as arrays:
        levels, labels = torch.from_numpy(arrays["levels"]), torch.from_numpy(arrays["labels"])
    return Images(levels, labels, tuple(map(str, range(10))), horizontal_flips)


@pytest.fixture(scope="session")
def mnist() -> Images:
    """The first 256 digits of MNIST's test set."""
    return _images("mnist", horizontal_flips=False)


@pytest.fixture(scope="session")
def fashion_mnist() -> Images:
    """The first 64 images of Fashion-MNIST's test set."""
    return _images("fashion_mnist", horizontal_flips=False)


@pytest.fixture(scope="session")
def cifar10() -> Images:
    """The first 64 photographs of CIFAR-10's test set."""
    return _images("cifar10", horizontal_flips=True)


@pytest.fixture
def mnist_levels(mnist: Images) -> Tensor:
    """(256, 1, 28, 28) uint8, a copy."""
    return mnist.levels.clone()


@pytest.fixture
def fashion_mnist_levels(fashion_mnist: Images) -> Tensor:
    """(64, 1, 28, 28) uint8, a copy."""
    return fashion_mnist.levels.clone()


@pytest.fixture
def cifar10_levels(cifar10: Images) -> Tensor:
    """(64, 3, 32, 32) uint8, a copy."""
    return cifar10.levels.clone()
