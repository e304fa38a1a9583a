"""What is written from the Spacefile: README.md's front matter, packages.txt, and its own list of models."""

import re
from collections.abc import Mapping
from pathlib import Path

import yaml

from flowgen import library
from flowgen.card import body, cards
from flowgen.checkpoint import read_meta, write_atomically
from flowgen.errors import FlowgenError
from flowgen.space.manifest import Manifest
from flowgen.space.reading import SPACEFILE, read

__all__ = [
    "CARDS",
    "PACKAGES",
    "README",
    "cards_of",
    "front_matter",
    "packages",
    "render",
    "render_models",
    "rendered",
    "text_of",
]

README, PACKAGES, CARDS = "README.md", "packages.txt", "checkpoints/README.md"
MODELS = re.compile(r"^models:.*?(?=^[\w#]|\Z)", re.DOTALL | re.MULTILINE)


def front_matter(manifest: Manifest) -> str:
    """The block by which the Hub knows the Space, between two lines of ---."""
    card, runtime = manifest.card, manifest.runtime
    hub = [model for model in manifest.models if model.hub]
    fields = {
        "title": card.title,
        "emoji": card.emoji,
        "colorFrom": card.color_from,
        "colorTo": card.color_to,
        "sdk": "gradio",
        "sdk_version": runtime.gradio,
        "python_version": runtime.python,
        "app_file": runtime.app_file,
        "short_description": card.short_description,
        "suggested_hardware": manifest.hardware.flavor,
        "tags": card.tags,
        "models": sorted({model.repo for model in hub}),
        "preload_from_hub": [f"{model.repo} {model.name}.safetensors {model.revision}" for model in hub],
        "license": card.licence,
    }
    present = {key: value for key, value in fields.items() if value}
    return f"---\n{yaml.safe_dump(present, sort_keys=False, allow_unicode=True, width=1000)}---\n"


def with_front_matter(readme: str, manifest: Manifest) -> str:
    """A README with the Spacefile's front matter instead of its own, if it has any; the rest is not touched."""
    return f"{front_matter(manifest)}\n{body(readme)}"


def packages(manifest: Manifest) -> str:
    """packages.txt, a Debian package a line."""
    return "".join(f"{package}\n" for package in manifest.runtime.apt)


def rendered(root: Path, manifest: Manifest) -> dict[str, str]:
    """What README.md and packages.txt are to hold; the latter is not there where it has nothing to hold."""
    return {README: with_front_matter(text_of(root / README), manifest), PACKAGES: packages(manifest)}


def render(root: Path, manifest: Manifest) -> list[str]:
    """Bring README.md and packages.txt up to date; give the names of those that were not.

    Raises:
        FlowgenError: if one cannot be read or written.
    """
    return _write(root, rendered(root, manifest))


def render_models(root: Path) -> list[str]:
    """Write the Spacefile's list of the files in checkpoints/, and their cards, anew; give the names of what changed.

    Raises:
        FlowgenError: if a file cannot be read, or is not measured.
    """
    entries = [model.model_dump(exclude_none=True) for model in read(root / SPACEFILE).models if model.hub]
    entries += [_entry(root, name) for name in library.names(root / "checkpoints")]
    section, before = yaml.safe_dump({"models": entries}, sort_keys=False), text_of(root / SPACEFILE)
    after = MODELS.sub(lambda _: section, before) if MODELS.search(before) else f"{before.rstrip()}\n\n{section}"
    return _write(root, {SPACEFILE: after, CARDS: cards_of(root)})


def cards_of(root: Path) -> str:
    """What checkpoints/README.md is to hold."""
    names = library.names(root / "checkpoints")
    return f"{cards(read_meta(root / 'checkpoints' / f'{name}.safetensors') for name in names)}\n"


def _write(root: Path, texts: Mapping[str, str]) -> list[str]:
    """Write those that are not there as they are to be; what is to hold nothing is deleted."""
    changed = [name for name, text in texts.items() if text != text_of(root / name)]
    for name in changed:
        if texts[name]:
            write_atomically(root / name, texts[name].encode())
        else:
            (root / name).unlink()
    return changed


def _entry(root: Path, name: str) -> dict[str, object]:
    file = f"checkpoints/{name}.safetensors"
    meta = read_meta(root / file)
    if meta.bits_per_dim is None:
        raise FlowgenError(f"{name} is not measured; `flowgen evaluate {name} --record` does that.")
    return {
        "file": file,
        "sha256": library.fingerprint(root / file),
        "bytes": (root / file).stat().st_size,
        "dataset": meta.dataset,
        "licence": meta.licence,
        "bits_per_dim": round(meta.bits_per_dim, 4),
    }


def text_of(path: Path) -> str:
    """What a file holds, and nothing where there is none.

    Raises:
        FlowgenError: if it cannot be read as text.
    """
    try:
        return path.read_text(encoding="utf-8") if path.exists() else ""
    except (OSError, UnicodeDecodeError):
        raise FlowgenError(f"{path.name} cannot be read as text.") from None
