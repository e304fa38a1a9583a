"""The folder of uploads and results: how old its files grow, and how much room they may take together."""

import contextlib
import os
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from gradio.utils import get_upload_folder

from flowgen.ui.limits import LIMITS

__all__ = ["folder", "make_room", "most_bytes", "own_folder"]


MOST_FILES = 10_000


class _File(NamedTuple):
    changed: float
    size: int
    path: Path


def own_folder() -> None:
    """Keep files in a folder of our own, unless GRADIO_TEMP_DIR names one: what is in it is ours to delete."""
    os.environ.setdefault("GRADIO_TEMP_DIR", str(Path(tempfile.gettempdir()) / "flowgen"))


def folder() -> Path:
    """Where uploads and results are."""
    return Path(get_upload_folder())


def most_bytes() -> int:
    """The room that they may take: an image and a mask for each who may wait, and once as much for results."""
    return 4 * LIMITS.upload_megabytes * (LIMITS.queue + LIMITS.concurrency) * 2**20


def make_room(most: int | None = None, seconds: float | None = None, most_files: int = MOST_FILES) -> None:
    """Delete what is too old, and then the oldest until an upload more has room; also what a killed server left behind.

    Args:
        most: bytes that may be taken, by default `most_bytes`.
        seconds: age at which files go, by default that of the limits.
        most_files: how many there may be; a small file costs a look at it, too.
    """
    most = (most_bytes() if most is None else most) - LIMITS.upload_megabytes * 2**20
    oldest = time.time() - (LIMITS.cache_seconds if seconds is None else seconds)
    files = sorted(_files())
    taken = sum(file.size for file in files)
    for left, file in zip(range(len(files), 0, -1), files, strict=True):
        if file.changed >= oldest and taken <= most and left <= most_files:
            break
        with contextlib.suppress(OSError):  # another request's sweep has met it first
            file.path.unlink()
            if file.path.parent != folder():  # Gradio makes one for each file; with others in it, it stays
                file.path.parent.rmdir()
        taken -= file.size


def _files() -> list[_File]:
    found = []
    for path in folder().rglob("*"):
        with contextlib.suppress(OSError):
            status = path.lstat()
            if not path.is_dir() or path.is_symlink():
                found.append(_File(max(status.st_mtime, status.st_ctime), status.st_size, path))
    return found
