"""CelebA: faces, aligned, at 64x64, each with 40 attributes.

Two layouts are read: celeba64 (train/, test/ and attributes.csv, already at 64x64) and the published one
(celeba/img_align_celeba with list_attr_celeba.txt and list_eval_partition.txt), of which the middle is taken.
"""

import csv
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from flowgen.data.files import Split, check_split, data_root
from flowgen.data.images import Images
from flowgen.errors import FlowgenError

__all__ = ["CelebA"]

_SIZE, _CROP = 64, 148  # of what is made, and of what is cut from the published 178 x 218
_PARTS = {"train": "0", "test": "2"}  # in list_eval_partition.txt


@dataclass(frozen=True)
class CelebA:
    """Faces of celebrities, for non-commercial research only; a mirrored one is as good.

    Shape:
        levels: (n, 3, 64, 64).
    References:
        Deep Learning Face Attributes in the Wild (Liu et al., 2015), arXiv:1411.7766
    """

    light_on_dark: ClassVar[bool] = False
    licence: ClassVar[str] = "non-commercial research only, as its data (CelebA)"

    def load(self, split: Split) -> Images:
        """The images of one split.

        Raises:
            FlowgenError: they are not there, or one cannot be read.
        """
        paths, crop = _paths(split)
        with ThreadPoolExecutor(os.cpu_count()) as pool:  # decoding and resizing happen outside Python's lock
            levels = list(pool.map(partial(_read, crop=crop), paths))
        return Images(torch.stack(levels), labels=None, class_names=(), horizontal_flips=True)

    def attributes(self, split: Split) -> tuple[tuple[str, ...], Tensor]:
        """The attributes' names, and which image of one split has which: (n, 40) booleans.

        Raises:
            FlowgenError: they are not there, or do not name every image.
        """
        paths, _ = _paths(split)
        names, rows = _table()
        try:
            return names, torch.tensor([rows[path.name] for path in paths])
        except KeyError as error:
            raise FlowgenError(f"The attributes of CelebA say nothing of {error}; fetch their file again.") from None


def _paths(split: Split) -> tuple[Sequence[Path], bool]:
    """The images of a split in the order of their names, and whether they are still to be cropped."""
    check_split(split)
    small, published = data_root() / "celeba64" / split, data_root() / "celeba" / "img_align_celeba"
    if small.is_dir():
        return sorted(small.glob("*.png")), False
    if published.is_dir():
        parts = _lines("celeba/list_eval_partition.txt")
        return [published / name for name, part in parts if part == _PARTS[split]], True
    raise FlowgenError(
        f"CelebA is not in {data_root()}: put its img_align_celeba, list_attr_celeba.txt and list_eval_partition.txt "
        "into celeba there, or set FLOWGEN_DATA to the folder that holds it. Its makers ask for their terms to be "
        "accepted first, so it is never downloaded."
    )


def _read(path: Path, *, crop: bool) -> Tensor:
    try:
        with Image.open(path) as image:
            left, top = (side - _CROP for side in image.size) if crop else (0, 0)
            box = (left / 2, top / 2, left / 2 + _CROP, top / 2 + _CROP) if crop else None
            small = image.convert("RGB").resize((_SIZE, _SIZE), Image.Resampling.LANCZOS, box=box)
            return torch.from_numpy(np.array(small)).permute(2, 0, 1)
    except (OSError, UnidentifiedImageError, ValueError):
        raise FlowgenError(f"The face {path.name} of CelebA cannot be read; fetch it again.") from None


def _table() -> tuple[tuple[str, ...], dict[str, list[bool]]]:
    """The attributes' names, and by the name of its file which of them an image has."""
    small = data_root() / "celeba64" / "attributes.csv"
    if small.exists():
        with small.open(newline="") as file:
            (_, *names), *rows = csv.reader(file)
    else:
        _, names, *rows = _lines("celeba/list_attr_celeba.txt")
    return tuple(names), {name: [value == "1" for value in values] for name, *values in rows}


def _lines(name: str) -> Iterator[list[str]]:
    """The words of each line of a file of CelebA's."""
    try:
        with (data_root() / name).open(encoding="utf-8") as file:
            yield from (line.split() for line in file)
    except FileNotFoundError:
        raise FlowgenError(f"CelebA is not whole: {data_root() / name} is missing.") from None
