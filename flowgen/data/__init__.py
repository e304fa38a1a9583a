"""Data sets, bytes and floats, pictures.

A data set is a frozen dataclass with `load(split) -> Images`, and one line in DATASETS.
"""

from dataclasses import Field
from typing import Any, ClassVar, Protocol

from flowgen.data.celeba import CelebA
from flowgen.data.cifar10 import CIFAR10
from flowgen.data.fashion_mnist import FashionMNIST
from flowgen.data.files import Split, data_root
from flowgen.data.folder import ImageFolder
from flowgen.data.images import Images, dequantize, midpoints, to_bytes
from flowgen.data.mnist import MNIST

__all__ = [
    "CIFAR10",
    "DATASETS",
    "MNIST",
    "CelebA",
    "Dataset",
    "FashionMNIST",
    "ImageFolder",
    "Images",
    "Split",
    "data_root",
    "dequantize",
    "midpoints",
    "to_bytes",
]


class Dataset(Protocol):
    """What DATASETS holds: a frozen dataclass of how to read one data set."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    light_on_dark: ClassVar[bool]  # whether uploads with a bright border are to be inverted, see pictures.to_levels
    licence: ClassVar[str]  # of the weights of a model trained on it

    def __init__(self, *args: Any, **kwargs: Any) -> None: ...

    def load(self, split: Split) -> Images:
        """The images of one split; raises FlowgenError where they are damaged, or missing and not to be had."""
        ...


DATASETS: dict[str, type[Dataset]] = {
    "mnist": MNIST,
    "fashion_mnist": FashionMNIST,
    "cifar10": CIFAR10,
    "celeba": CelebA,
    "folder": ImageFolder,
}
