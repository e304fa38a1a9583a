"""Where the data sets lie, and that their files are the published ones.

The root is the environment variable FLOWGEN_DATA, else ./data. A file's MD5 is checked before anything reads it.
"""

import gzip
import hashlib
import os
import socket
import zlib
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Literal

from flowgen.errors import FlowgenError

__all__ = ["Split", "check_split", "data_root", "fetch", "read_verified"]

Split = Literal["train", "test"]

_CONNECT_SECONDS = 20  # torchvision sets no timeout of its own: behind a silent firewall it would wait for minutes
_MAX_UNPACKED = (
    64 * 2**20
)  # bytes; no file of these data sets is longer, and an archive made to fill the memory stops here


def data_root() -> Path:
    """The folder that holds the data sets: FLOWGEN_DATA, else ./data."""
    return Path(os.environ.get("FLOWGEN_DATA") or "data")


def check_split(split: str) -> None:
    """Raise FlowgenError unless the split is "train" or "test"."""
    if split not in ("train", "test"):
        raise FlowgenError(f"There is no split {split!r}: a data set has 'train' and 'test'.")


def read_verified(path: Path, md5: str) -> bytes:
    """The contents of the file, or of its .gz, once the MD5 of the unpacked bytes is the published one.

    Raises:
        FileNotFoundError: neither the file nor its .gz exists.
        FlowgenError: there is one, but it is damaged or another file.
    """
    packed = path.with_name(path.name + ".gz")
    source = path if path.exists() or not packed.exists() else packed
    content = _read(source)
    if hashlib.md5(content, usedforsecurity=False).hexdigest() != md5:
        raise FlowgenError(
            f"{source} is damaged or not the published file (the MD5 of its contents should be {md5}). "
            "Delete it: FlowGen then fetches it anew, or says what to put in its place."
        )
    return content


def fetch(name: str, wanted: str, download: Callable[[], object]) -> None:
    """Let torchvision download a data set that is not there.

    Args:
        name: what to call the data set.
        wanted: which files to put where by hand, for the sentence that is raised where the download fails.
        download: the call that downloads.
    """
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_CONNECT_SECONDS)
    try:
        download()
    except (OSError, RuntimeError, HTTPException) as error:
        raise FlowgenError(
            f"{name} is not in {data_root()}, and downloading it failed ({type(error).__name__}). "
            f"Put {wanted}, or set FLOWGEN_DATA to the folder that holds them."
        ) from error
    finally:
        socket.setdefaulttimeout(before)


def _read(source: Path) -> bytes:
    """The file, unpacked up to the limit if it is a .gz; nothing where it cannot be unpacked, so that no MD5 fits."""
    if source.suffix != ".gz":
        return source.read_bytes()
    try:
        with gzip.open(source) as file:
            return file.read(_MAX_UNPACKED)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        return b""
