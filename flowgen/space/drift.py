"""Where models are other files, or say other things of themselves, than the Spacefile lists."""

from collections.abc import Iterator
from pathlib import Path

from flowgen import library
from flowgen.checkpoint import Meta, read_meta
from flowgen.errors import FlowgenError
from flowgen.space.manifest import Listed, Manifest
from flowgen.space.models import fetch
from flowgen.space.render import CARDS, cards_of, text_of

__all__ = ["drift", "drift_on_hub"]

MEND = "`flowgen space render --models` writes what is there"


def drift(root: Path, manifest: Manifest) -> Iterator[str]:
    """What is wrong with the files in checkpoints/, in a sentence each."""
    listed = {model.name for model in manifest.models}
    if len(listed) < len(manifest.models):
        yield "Two models of the Spacefile have one name."
    for name in library.names(root / "checkpoints"):
        if name not in listed:
            yield f"checkpoints/{name}.safetensors is not in the Spacefile; {MEND}."
    for model in manifest.models:
        if model.file and (root / model.file).is_file():
            yield from _differences(root / model.file, model, model.file)
    try:
        if text_of(root / CARDS) != cards_of(root):
            yield f"{CARDS} is not what the files in checkpoints/ say; {MEND}."
    except FlowgenError as error:
        yield str(error)


def drift_on_hub(model: Listed) -> Iterator[str]:
    """What is wrong with a model that is listed by a hub path."""
    try:
        yield from _differences(fetch(model), model, f"hf:{model.hub}")
    except FlowgenError as error:
        yield str(error)


def _differences(path: Path, model: Listed, place: str) -> Iterator[str]:
    try:
        meta, found = read_meta(path), library.fingerprint(path)
    except FlowgenError as error:
        yield str(error)
        return
    facts = {
        "sha256": (model.sha256, found),
        "bytes": (model.bytes, path.stat().st_size),
        "dataset": (model.dataset, meta.dataset),
        "licence": (model.licence, meta.licence),
        "bits_per_dim": (model.bits_per_dim, _bits(meta)),
    }
    for key, (said, is_) in facts.items():
        if said != is_:
            yield f"{place} has {key} {is_}, and the Spacefile says {said}; {MEND}."


def _bits(meta: Meta) -> float | None:
    return None if meta.bits_per_dim is None else round(meta.bits_per_dim, 4)
