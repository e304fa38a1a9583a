"""CIFAR-10: 50,000 and 10,000 photographs of ten kinds of things, 32x32 RGB.

Two published forms are read: the binary version (cifar-10-batches-bin) and the pickles that torchvision keeps
(cifar-10-batches-py). A pickle can run any code, so none is opened before its MD5 is that of the published file.
"""

import pickle
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flowgen.data.files import Split, check_split, data_root, fetch, read_verified
from flowgen.data.images import Images

__all__ = ["CIFAR10"]

_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_Bytes = NDArray[np.uint8]
_RECORD = 1 + 3 * 32 * 32  # the label's byte, then the red, the green and the blue plane

_BINARY = {
    "data_batch_1.bin": "5dd7e06a14cb22eb9f671a540d1b7c25",
    "data_batch_2.bin": "5ea93a67294ea407fff1d09f752e9692",
    "data_batch_3.bin": "942cd6a4bcdd0dd3c604fbe906cb4421",
    "data_batch_4.bin": "ae636b3ba5c66a11e91e8cb52e771fcb",
    "data_batch_5.bin": "53f37980c15c3d472c316c40844f3f0d",
    "test_batch.bin": "803d5f7f4d78ea53de84dbe85f74fb6d",
}
_PICKLES = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}


@dataclass(frozen=True)
class CIFAR10:
    """Photographs of animals and vehicles; a mirrored one is as good.

    Shape:
        levels: (n, 3, 32, 32), n = 50,000 (train) or 10,000 (test).
    References:
        Learning multiple layers of features from tiny images (Krizhevsky, 2009)
    """

    light_on_dark: ClassVar[bool] = False
    licence: ClassVar[str] = "Apache-2.0"

    def load(self, split: Split) -> Images:
        """The images of one split, from FLOWGEN_DATA/cifar-10-batches-bin or FLOWGEN_DATA/cifar-10-batches-py."""
        check_split(split)
        try:
            levels, labels = _read_split(split)
        except FileNotFoundError:
            wanted = f"{', '.join(_BINARY)} into {data_root() / 'cifar-10-batches-bin'}"
            fetch("CIFAR-10", wanted, lambda: _download(data_root()))
            levels, labels = _read_split(split)
        return Images(levels, labels, _CLASSES, horizontal_flips=True)


def _read_split(split: Split) -> tuple[Tensor, Tensor]:
    """One split in the binary version, else in pickles."""
    try:
        return _read_files("cifar-10-batches-bin", split, _BINARY, _parse_records)
    except FileNotFoundError:
        return _read_files("cifar-10-batches-py", split, _PICKLES, _parse_pickle)


def _read_files(
    folder: str, split: Split, md5: Mapping[str, str], parse: Callable[[bytes], tuple[_Bytes, _Bytes]]
) -> tuple[Tensor, Tensor]:
    names = [name for name in md5 if name.startswith("test") == (split == "test")]
    parts = [parse(read_verified(data_root() / folder / name, md5[name])) for name in names]
    images, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return torch.from_numpy(images.reshape(-1, 3, 32, 32)), torch.from_numpy(labels).long()


def _parse_records(content: bytes) -> tuple[_Bytes, _Bytes]:
    """The images, (n, 3072), and the labels, (n,), of a file of the binary version."""
    records = np.frombuffer(content, np.uint8).reshape(-1, _RECORD)
    return records[:, 1:], records[:, 0]


def _parse_pickle(content: bytes) -> tuple[_Bytes, _Bytes]:
    """The same of a pickle, which must have been verified: unpickling runs what the file says."""
    with warnings.catch_warnings():
        # Python 2 wrote numpy's `align` flag as the integer 0, which numpy 2.4 warns of.
        warnings.filterwarnings("ignore", message=r"dtype\(\): align", category=np.exceptions.VisibleDeprecationWarning)
        batch = pickle.loads(content, encoding="latin1")
    return batch["data"], np.asarray(batch["labels"], np.uint8)


def _download(root: Path) -> None:
    from torchvision.datasets import CIFAR10 as Torchvision  # a second to import, and seldom needed

    Torchvision(root, download=True)
