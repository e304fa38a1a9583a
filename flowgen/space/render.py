"""What is written from the Spacefile: README.md's front matter, packages.txt, and its own list of models."""

import re
from pathlib import Path

import yaml

from flowgen import library
from flowgen.checkpoint import write_atomically
from flowgen.errors import FlowgenError
from flowgen.space.manifest import Manifest
from flowgen.space.reading import SPACEFILE, read

__all__ = ["PACKAGES", "README", "front_matter", "packages", "render", "render_models", "rendered", "text_of"]

README, PACKAGES = "README.md", "packages.txt"
FRONT_MATTER = re.compile(r"\A---\n.*?^---\n+", re.DOTALL | re.MULTILINE)
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
    return f"{front_matter(manifest)}\n{FRONT_MATTER.sub('', readme)}"


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
    changed = {name: text for name, text in rendered(root, manifest).items() if text != text_of(root / name)}
    for name, text in changed.items():
        if text:
            write_atomically(root / name, text.encode())
        else:
            (root / name).unlink()
    return list(changed)


def render_models(root: Path) -> bool:
    """Write the Spacefile's list of files in checkpoints/ anew, as they are now; give whether it was out of date.

    Raises:
        FlowgenError: if a file cannot be read, or is not measured.
    """
    manifest, path = read(root / SPACEFILE), root / SPACEFILE
    entries = [model.model_dump(exclude_none=True) for model in manifest.models if model.hub]
    entries += [_entry(root, name) for name in library.names(root / "checkpoints")]
    section = yaml.safe_dump({"models": entries}, sort_keys=False)
    before = text_of(path)
    after = MODELS.sub(lambda _: section, before) if MODELS.search(before) else f"{before.rstrip()}\n\n{section}"
    if after != before:
        write_atomically(path, after.encode())
    return after != before


def _entry(root: Path, name: str) -> dict[str, object]:
    file = f"checkpoints/{name}.safetensors"
    meta = library.describe(str(root / file))
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
