"""Data sets, bytes and floats, pictures.

A data set is a frozen dataclass with `load(split) -> Images`, and one line in DATASETS.
"""

from flowgen.data.cifar10 import CIFAR10
from flowgen.data.fashion_mnist import FashionMNIST
from flowgen.data.files import Split, data_root
from flowgen.data.folder import ImageFolder
from flowgen.data.images import Images, dequantize, midpoints, to_bytes
from flowgen.data.mnist import MNIST

__all__ = ["DATASETS", "Dataset", "Images", "Split", "data_root", "dequantize", "midpoints", "to_bytes"]

Dataset = MNIST | FashionMNIST | CIFAR10 | ImageFolder

DATASETS: dict[str, type[Dataset]] = {
    "mnist": MNIST,
    "fashion_mnist": FashionMNIST,
    "cifar10": CIFAR10,
    "folder": ImageFolder,
}
