"""The idx files of MNIST and of what took over its format: a big-endian header, then one byte a value."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from flowgen.data.files import Split, check_split, data_root, fetch, read_verified

__all__ = ["load_idx"]

_PREFIX = {"train": "train", "test": "t10k"}


def load_idx(
    folder: str, split: Split, md5: Mapping[str, str], download: Callable[[Path], object]
) -> tuple[Tensor, Tensor]:
    """The images, (n, 1, 28, 28) uint8, and the labels, (n,) int64, of one split.

    The files lie in `folder`/raw under the data root, as torchvision keeps them, unpacked or as .gz.

    Args:
        folder: "MNIST", say.
        md5: of each of the four files, unpacked (an archive depends on who packed it, its contents do not).
        download: fetches the files to the root given; called only where some are missing.

    Raises:
        FlowgenError: a file is damaged, or missing and not to be had.
    """
    check_split(split)
    try:
        return _read_split(folder, split, md5)
    except FileNotFoundError:
        wanted = f"{', '.join(md5)} (each as it is or as .gz) into {data_root() / folder / 'raw'}"
        fetch(folder, wanted, lambda: download(data_root()))
        return _read_split(folder, split, md5)


def _read_split(folder: str, split: Split, md5: Mapping[str, str]) -> tuple[Tensor, Tensor]:
    raw, prefix = data_root() / folder / "raw", _PREFIX[split]
    images = _read_values(raw / f"{prefix}-images-idx3-ubyte", md5)
    labels = _read_values(raw / f"{prefix}-labels-idx1-ubyte", md5)
    return images.unsqueeze(1), labels.long()


def _read_values(path: Path, md5: Mapping[str, str]) -> Tensor:
    """The values, in the shape that the header gives: two zeros, a type, the number of axes, then their lengths."""
    content = read_verified(path, md5[path.name])
    axes = content[3]
    shape = np.frombuffer(content, ">u4", count=axes, offset=4)
    return torch.from_numpy(np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape).copy())
