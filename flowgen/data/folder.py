"""Any directory of images, centre-cropped and resized."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from flowgen.data.files import Split, check_split, data_root
from flowgen.data.images import Images
from flowgen.data.pictures import open_picture, to_levels
from flowgen.errors import FlowgenError

__all__ = ["ImageFolder", "image_paths"]

_SUFFIXES = frozenset({".avif", ".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})


@dataclass(frozen=True)
class ImageFolder:
    """The images of a directory and of all directories in it, in the order of their names.

    Where it holds directories train/ and test/, those are the splits; otherwise the last tenth of the names, at least
    one, is the test split. There are no classes, and a mirrored image counts as one of the data.

    Shape:
        levels: (n, channels, size, size).
    """

    path: str = field(default="", metadata={"help": "directory of images; empty: FLOWGEN_DATA itself"})
    size: int = field(
        default=64, metadata={"help": "height and width that images are brought to", "min": 2, "max": 512}
    )
    channels: int = field(default=3, metadata={"help": "3 for colour, 1 for gray", "min": 1, "max": 3})

    light_on_dark: ClassVar[bool] = False
    licence: ClassVar[str] = "Apache-2.0"

    def __post_init__(self) -> None:
        if self.channels not in (1, 3):
            raise FlowgenError(f"channels is {self.channels}, but an image has 1 (gray) or 3 (colour).")
        if self.size < 2:
            raise FlowgenError(f"size is {self.size}, but an image needs at least 2 pixels a side.")

    def load(self, split: Split) -> Images:
        """The images of one split.

        Raises:
            FlowgenError: there are none, or one cannot be read.
        """
        check_split(split)
        root = Path(self.path) if self.path else data_root()
        paths = _paths_of_split(root, split)
        with ThreadPoolExecutor(os.cpu_count()) as pool:  # decoding and resizing happen outside Python's lock
            levels = list(pool.map(self._read, paths))
        return Images(torch.stack(levels), labels=None, class_names=(), horizontal_flips=True)

    def _read(self, path: Path) -> Tensor:
        try:
            return to_levels(open_picture(path), (self.channels, self.size, self.size), invert=False)
        except FlowgenError as error:
            raise FlowgenError(f"{path}: {error}") from error


def _paths_of_split(root: Path, split: Split) -> Sequence[Path]:
    if not root.is_dir():
        raise FlowgenError(f"{root} is no directory: give the one that holds the images.")
    if (root / "train").is_dir() and (root / "test").is_dir():
        return image_paths(root / split)
    paths = image_paths(root)
    if len(paths) < 2:
        raise FlowgenError(f"{root} holds one image, but training and testing need one each: add images.")
    held_out = max(1, len(paths) // 10)
    return paths[:-held_out] if split == "train" else paths[-held_out:]


def image_paths(folder: Path) -> list[Path]:
    """The image files in a directory and below, sorted by their names within it; hidden ones are left out."""
    found = [path.relative_to(folder) for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES]
    names = sorted(path.as_posix() for path in found if not any(part.startswith(".") for part in path.parts))
    if not names:
        raise FlowgenError(f"{folder} holds no images (files ending in {', '.join(sorted(_SUFFIXES))}).")
    return [folder / name for name in names]
