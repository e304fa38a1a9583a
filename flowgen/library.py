"""The models at hand: found on disk or on the Hub, loaded when needed, kept within a memory budget."""

import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from flowgen import hub
from flowgen.checkpoint import Meta, count_numbers, read_directions, read_meta
from flowgen.checkpoint import load as load_checkpoint
from flowgen.errors import FlowgenError
from flowgen.interruption import asks
from flowgen.models import ImageModel

__all__ = ["Library", "checkpoint_directory", "describe", "find", "fingerprint", "load", "names"]

SUFFIX = ".safetensors"
MEMORY_BUDGET = 512 * 2**20  # bytes of weights


def checkpoint_directory() -> Path:
    """Where the named models are: FLOWGEN_CHECKPOINTS, else checkpoints/ beside the package, else in this directory."""
    if chosen := os.environ.get("FLOWGEN_CHECKPOINTS"):
        return Path(chosen)
    beside = Path(__file__).resolve().parent.parent / "checkpoints"
    return beside if beside.is_dir() else Path("checkpoints")


def names(directory: Path | None = None) -> list[str]:
    """The names of the models in a directory, by default the library's own."""
    return sorted(path.stem for path in (directory or checkpoint_directory()).glob(f"*{SUFFIX}"))


def find(name: str, directory: Path | None = None) -> Path:
    """The file of a model: a name in the directory, a path ending in .safetensors, or on the Hub.

    There it is hf:<owner>/<repo>/<name>, or hf:<owner>/<repo>/<name>@<revision>: a branch, a tag or a commit.

    Raises:
        FlowgenError: if there is none.
    """
    if name.startswith("hf:"):
        return _fetch(name)
    if name.endswith(SUFFIX):
        return Path(name)
    known = names(directory)
    if name not in known:
        offer = f"there are {', '.join(known)}" if known else "there are none yet; `flowgen train` makes one"
        raise FlowgenError(f"There is no model {hub.shorten(name)!r}; {offer}.")
    return (directory or checkpoint_directory()) / f"{name}{SUFFIX}"


def load(name: str, device: str | torch.device = "auto") -> ImageModel:
    """Load a model.

    Args:
        name: a name in checkpoints/, a path ending in .safetensors, or hf:<owner>/<repo>/<name>[@<revision>].
        device: auto (cuda where there is one), cpu or cuda.

    Raises:
        FlowgenError: if there is no such model, it cannot be read, or the device is not here.
    """
    return load_checkpoint(find(name), device)


def describe(name: str) -> Meta:
    """What a model says of itself, from its header alone; names as in load."""
    return read_meta(find(name))


def fingerprint(path: Path) -> str:
    """The SHA-256 of a model's file, which says exactly which model it was.

    Raises:
        FlowgenError: if it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise FlowgenError(f"{path.name} could not be read: {error.strerror}.") from None


class Library:
    """Models by name, loaded on first use and kept until others need the room. Safe to share between threads.

    Args:
        directory: where they are; by default the library's own.
        elsewhere: files of more models, by name.
        device: auto, cpu or cuda.
        memory_budget: bytes of weights to keep; the least recently used go first, the one in use always stays.
    """

    def __init__(
        self,
        directory: Path | None = None,
        *,
        elsewhere: Mapping[str, Path] | None = None,
        device: str | torch.device = "auto",
        memory_budget: int = MEMORY_BUDGET,
    ) -> None:
        self.directory = directory or checkpoint_directory()
        self.elsewhere = dict(elsewhere or {})
        self.device = device
        self.memory_budget = memory_budget
        self._loaded: OrderedDict[str, ImageModel] = OrderedDict()
        self._versions: dict[str, tuple[int, int]] = {}
        self._lock = threading.Lock()

    def names(self) -> list[str]:
        """The names of the models, in alphabetical order."""
        return sorted({*names(self.directory), *self.elsewhere})

    def describe(self, name: str) -> Meta:
        """What a model says of itself.

        Raises:
            FlowgenError: if there is no such model or it cannot be read.
        """
        return read_meta(self._path(name))

    def fingerprint(self, name: str) -> str:
        """The SHA-256 of the model's file.

        Raises:
            FlowgenError: if there is no such model or it cannot be read.
        """
        return fingerprint(self._path(name))

    def count_numbers(self, name: str) -> int:
        """How many numbers the model's file stores.

        Raises:
            FlowgenError: if there is no such model or it cannot be read.
        """
        return count_numbers(self._path(name))

    def directions(self, name: str) -> Tensor:
        """The directions of the model's attributes, (k, dimensions).

        Raises:
            FlowgenError: if there is no such model, it cannot be read, or it knows no attributes.
        """
        return read_directions(self._path(name))

    def version(self, name: str) -> tuple[int, int]:
        """What changes with the model's file: when it was last written, in nanoseconds, and its size in bytes.

        Raises:
            FlowgenError: if there is no such model or it cannot be read.
        """
        return _version(self._path(name))

    def load(self, name: str) -> ImageModel:
        """The model, from memory if it is there and its file has not changed since.

        Raises:
            FlowgenError: if there is no such model or it cannot be read.
        """
        with self._lock:
            path = self._path(name)
            version = _version(path)
            if name not in self._loaded or self._versions[name] != version:
                self._loaded[name] = _interruptible(load_checkpoint(path, self.device))
                self._versions[name] = version
            self._loaded.move_to_end(name)
            while len(self._loaded) > 1 and sum(map(_bytes, self._loaded.values())) > self.memory_budget:
                self._loaded.popitem(last=False)
            return self._loaded[name]

    def _path(self, name: str) -> Path:
        """The file of a name; unlike find, never a path or an address, since names come from visitors."""
        if name not in self.names():
            raise FlowgenError(
                f"There is no model {hub.shorten(name)!r}; there are {', '.join(self.names()) or 'none yet'}."
            )
        return self.elsewhere.get(name, self.directory / f"{name}{SUFFIX}")


def _fetch(name: str) -> Path:
    place, _, revision = name.removeprefix("hf:").partition("@")
    parts = place.split("/")
    if len(parts) != 3 or not all(parts) or name.endswith("@"):
        raise FlowgenError(
            f"{hub.shorten(name)!r} names no model on the Hub; write hf:<owner>/<repo>/<name>[@<revision>]."
        )
    owner, repo, model = parts
    return hub.fetch(f"{owner}/{repo}", f"{model}{SUFFIX}", revision or None)


def _interruptible(model: ImageModel) -> ImageModel:
    assert isinstance(model, nn.Module)
    asks(model)
    return model


def _bytes(model: ImageModel) -> int:
    assert isinstance(model, nn.Module)
    return sum(value.numel() * value.element_size() for value in model.state_dict().values())


def _version(path: Path) -> tuple[int, int]:
    """What tells that a file has changed: the time and its size.

    Raises:
        FlowgenError: if it is gone.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise FlowgenError(f"{path.name} could not be read: {error.strerror}.") from None
    return status.st_mtime_ns, status.st_size
