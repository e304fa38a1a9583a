"""MNIST: 60,000 and 10,000 handwritten digits, 28x28, white ink on black."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from flowgen.data.files import Split
from flowgen.data.idx import load_idx
from flowgen.data.images import Images

__all__ = ["MNIST"]

_MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}


@dataclass(frozen=True)
class MNIST:
    """The digits 0 to 9; a mirrored digit is no digit, so there are no flips.

    Shape:
        levels: (n, 1, 28, 28), n = 60,000 (train) or 10,000 (test).
    References:
        Gradient-based learning applied to document recognition (LeCun et al., 1998)
    """

    light_on_dark: ClassVar[bool] = True
    licence: ClassVar[str] = "Apache-2.0"

    def load(self, split: Split) -> Images:
        """The images of one split, from FLOWGEN_DATA/MNIST/raw."""
        levels, labels = load_idx("MNIST", split, _MD5, _download)
        return Images(levels, labels, tuple("0123456789"), horizontal_flips=False)


def _download(root: Path) -> None:
    from torchvision.datasets import MNIST as Torchvision  # a second to import, and seldom needed

    Torchvision(root, download=True)
