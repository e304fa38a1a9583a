"""Checkpoints: weights as safetensors, and in the header what is needed to build the model and to know what it is."""

import dataclasses
import json
import math
import os
import struct
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from flowgen.errors import FlowgenError
from flowgen.hyperparameters import configure
from flowgen.models import MODELS, ImageModel

__all__ = [
    "FORMAT",
    "Meta",
    "build",
    "count_numbers",
    "load",
    "read_directions",
    "read_meta",
    "resolve_device",
    "rewrite_meta",
    "save_checkpoint",
    "save_directions",
    "write_atomically",
]

FORMAT = 1
DIRECTIONS = "attributes.directions"  # the tensor beside the weights
LARGEST_HEADER = 4_000_000


@dataclass(frozen=True)
class Meta:
    """What a checkpoint says of itself.

    Attributes:
        recipe: key in MODELS.
        hyperparameters: fields of the recipe.
        event_shape: (c, h, w).
        levels: values a pixel takes.
        dataset: key in DATASETS.
        class_names: names of the classes, if the data set has any.
        settings: how it was trained: optimiser, batch size, seed and so on.
        steps, hours, images_seen: what training took; hours by the clock, on the processor named in `processor`.
        bits_per_dim: on the whole test set by `protocol`, measured on this file, or None.
        standard_error: of that mean over images.
        protocol: dequantisation, importance samples, number of images.
        quantiles: of the test images' bits per dimension, at 0, 1, ..., 100 %.
        licence: of the weights.
        attributes: names of the directions that the file holds beside its weights; see inference.learn_directions.
        version: of the package that wrote it.
    """

    recipe: str
    hyperparameters: dict[str, Any]
    event_shape: tuple[int, ...]
    levels: int = 256
    dataset: str = ""
    class_names: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    steps: int = 0
    hours: float = 0.0
    images_seen: int = 0
    processor: str = ""
    bits_per_dim: float | None = None
    standard_error: float | None = None
    protocol: str = ""
    quantiles: tuple[float, ...] = ()
    licence: str = "Apache-2.0"
    attributes: tuple[str, ...] = ()
    version: str = ""
    format: int = FORMAT
    name: str = ""


def build(meta: Meta) -> ImageModel:
    """The untrained model that a checkpoint's description calls for.

    Raises:
        FlowgenError: if the recipe or one of its hyperparameters is unknown here.
    """
    if meta.recipe not in MODELS:
        raise FlowgenError(
            f"The checkpoint {meta.name!r} holds a model of kind {meta.recipe!r}; known are {', '.join(MODELS)}."
        )
    try:
        return configure(MODELS[meta.recipe], meta.hyperparameters).build(meta.event_shape, meta.levels)  # type: ignore[no-any-return]
    except FlowgenError as error:
        raise FlowgenError(
            f"The checkpoint {meta.name!r} cannot be built here; it may come from another version. {error}"
        ) from None


def save_checkpoint(path: Path, model: nn.Module, meta: Meta) -> None:
    """Write weights and description to one file, all of it or nothing."""
    weights = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    write_atomically(path, save(weights, metadata={"flowgen": _to_json(meta)}))


def save_directions(path: Path, names: Sequence[str], directions: Tensor) -> None:
    """Put attributes and their directions, (k, dimensions), into a checkpoint, in place of any that it had.

    Raises:
        FlowgenError: if there is no such checkpoint, or the directions do not fit its model.
    """
    meta = read_meta(path)
    if directions.shape != (len(names), math.prod(meta.event_shape)):
        raise FlowgenError(
            f"Directions of shape {tuple(directions.shape)} do not fit {len(names)} attributes of {meta.name}, whose "
            f"noise has {math.prod(meta.event_shape)} dimensions."
        )
    tensors = {**_tensors(path), DIRECTIONS: directions.contiguous()}
    described = dataclasses.replace(meta, attributes=tuple(names))
    write_atomically(path, save(tensors, metadata={"flowgen": _to_json(described)}))


def read_directions(path: Path) -> Tensor:
    """The directions of a checkpoint's attributes, in the order of `Meta.attributes`: (k, dimensions) on the CPU.

    Raises:
        FlowgenError: as read_meta does, or if it has none, or they are damaged.
    """
    meta = read_meta(path)
    if not meta.attributes:
        raise FlowgenError(
            f"The model {meta.name!r} knows no attributes; `flowgen attributes` learns them from labelled images."
        )
    try:
        with safe_open(path, framework="pt") as file:
            directions: Tensor = file.get_tensor(DIRECTIONS)
    except (SafetensorError, OSError):
        directions = torch.empty(0)
    if directions.shape != (len(meta.attributes), math.prod(meta.event_shape)):
        raise FlowgenError(f"The checkpoint {meta.name!r} is damaged: its attributes do not fit; fetch it again.")
    return directions


def rewrite_meta(path: Path, meta: Meta) -> None:
    """Replace a checkpoint's description and leave its tensors as they are, byte for byte."""
    write_atomically(path, save(_tensors(path), metadata={"flowgen": _to_json(meta)}))


def read_meta(path: Path) -> Meta:
    """Read a checkpoint's description, which costs no more than its header.

    Raises:
        FlowgenError: if the file is missing, damaged, no safetensors, not FlowGen's, or of a newer format.
    """
    name = path.stem
    try:
        text = _header(path).get("__metadata__", {}).get("flowgen")
    except FileNotFoundError:
        raise FlowgenError(f"There is no checkpoint {name!r}; `flowgen models` lists what there is.") from None
    except (OSError, ValueError, struct.error, AttributeError):
        raise FlowgenError(
            f"The checkpoint {name!r} is damaged, or no safetensors file; fetch it again. Pickles are never opened."
        ) from None
    if text is None:
        raise FlowgenError(
            f"The file {name!r} holds safetensors, but no FlowGen model; only FlowGen's checkpoints can be loaded."
        )
    return _from_json(name, text)


def count_numbers(path: Path) -> int:
    """How many numbers a checkpoint stores, by its header: the parameters, and the few constants of some layers.

    Raises:
        FlowgenError: as read_meta does.
    """
    read_meta(path)
    return sum(math.prod(entry["shape"]) for name, entry in _header(path).items() if name != "__metadata__")


def load(path: Path, device: str | torch.device = "auto") -> ImageModel:
    """Load a model for use: on the device, in the dtype it was trained in, its parameters without gradient.

    Raises:
        FlowgenError: as read_meta does, or if weights are missing, superfluous or of the wrong shape.
    """
    meta = read_meta(path)
    model = build(meta)
    assert isinstance(model, nn.Module)
    try:
        weights = _tensors(path)
        weights.pop(DIRECTIONS, None)
        model.load_state_dict(weights)
    except (SafetensorError, RuntimeError, OSError):
        raise FlowgenError(
            f"The checkpoint {meta.name!r} is damaged: its weights do not fit its description; fetch it again."
        ) from None
    model.to(resolve_device(device)).requires_grad_(False).eval()
    return model


def resolve_device(device: str | torch.device) -> torch.device:
    """The device for "auto", "cpu", "cuda" or anything torch accepts; auto is cuda where there is one.

    Raises:
        FlowgenError: if the device is unknown or not here.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError:
        raise FlowgenError(f"There is no device {str(device)!r}; choose auto, cpu or cuda.") from None
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise FlowgenError(
            "The device cuda was asked for, and this machine has none that torch can use; choose auto or cpu."
        )
    return chosen


def check_writable(path: Path) -> None:
    """Make sure that a file can be written, before work is done whose result goes there; its directory is made.

    Raises:
        FlowgenError: if it cannot.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}."):
            return
    except OSError as error:
        raise FlowgenError(f"{path.name} cannot be written there: {error.strerror}.") from None


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader, or a killed process, finds the old one or the new one whole.

    Raises:
        FlowgenError: if there is no room or no permission.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            try:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
                Path(file.name).chmod(0o644)
                Path(file.name).replace(path)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise FlowgenError(
            f"{path.name} could not be written: {error.strerror}. What was there before is untouched."
        ) from None


def _tensors(path: Path) -> dict[str, Tensor]:
    """Everything that a file holds."""
    with safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping


def _header(path: Path) -> dict[str, Any]:
    """The JSON header of a safetensors file: eight bytes of length, then the text."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        if length > LARGEST_HEADER:
            raise ValueError("the header is too long to be one")
        header: dict[str, Any] = json.loads(file.read(length))
    return header


def _to_json(meta: Meta) -> str:
    content = dataclasses.asdict(meta)
    del content["name"]
    return json.dumps(content)


def _from_json(name: str, text: str) -> Meta:
    try:
        content = json.loads(text)
        if content["format"] > FORMAT:
            raise FlowgenError(
                f"The checkpoint {name!r} has format {content['format']}, and this version reads up to {FORMAT}; "
                "update flowgen."
            )
        for key in ("event_shape", "class_names", "quantiles", "attributes"):
            content[key] = tuple(content.get(key, ()))
        return Meta(**content, name=name)
    except (KeyError, TypeError, json.JSONDecodeError):
        raise FlowgenError(f"The checkpoint {name!r} has a description that cannot be read; fetch it again.") from None
