"""Fashion-MNIST: 60,000 and 10,000 articles of clothing, 28x28, light on black."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from flowgen.data.files import Split
from flowgen.data.idx import load_idx
from flowgen.data.images import Images

__all__ = ["FashionMNIST"]

_MD5 = {
    "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
    "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
    "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
    "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
}
_CLASSES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")


@dataclass(frozen=True)
class FashionMNIST:
    """Ten kinds of clothing; every shoe in it points to the left, so a mirrored one is not of this data.

    Shape:
        levels: (n, 1, 28, 28), n = 60,000 (train) or 10,000 (test).
    References:
        Fashion-MNIST: a novel image dataset (Xiao et al., 2017), arXiv:1708.07747
    """

    light_on_dark: ClassVar[bool] = True
    licence: ClassVar[str] = "Apache-2.0"

    def load(self, split: Split) -> Images:
        """The images of one split, from FLOWGEN_DATA/FashionMNIST/raw."""
        levels, labels = load_idx("FashionMNIST", split, _MD5, _download)
        return Images(levels, labels, _CLASSES, horizontal_flips=False)


def _download(root: Path) -> None:
    from torchvision.datasets import FashionMNIST as Torchvision  # a second to import, and seldom needed

    Torchvision(root, download=True)
