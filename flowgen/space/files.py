"""What a Space is sent: the files that the app needs, and no others."""

from pathlib import Path

from flowgen.card import licence_file
from flowgen.space.manifest import Manifest
from flowgen.space.reading import SPACEFILE
from flowgen.space.render import CARDS, PACKAGES, README

__all__ = ["FOLDERS", "LARGEST_FILE", "LARGEST_SPACE", "needed", "present"]

LARGEST_FILE = 10 * 10**6  # bytes; beyond it, the Hub wants Git LFS
LARGEST_SPACE = 100 * 10**6
FOLDERS = ("flowgen/", "checkpoints/")  # of which the Space holds what is here, and nothing else
BYTECODE = "__pycache__"


def needed(root: Path, manifest: Manifest) -> list[str]:
    """Paths of what the Space must have, in alphabetical order: sources, listed weights, and what they run on."""
    single = [manifest.runtime.app_file, "LICENSE", README, SPACEFILE, "requirements.txt", CARDS]
    if manifest.runtime.apt:
        single.append(PACKAGES)
    here = [model for model in manifest.models if model.file]
    weights = [str(model.file) for model in here]
    licences = [
        licence_file(Path(str(model.file))).as_posix()
        for model in here
        if model.licence.lower() != manifest.card.licence
    ]
    return sorted({*single, *weights, *licences, *_sources(root)})


def present(root: Path, manifest: Manifest) -> dict[str, int]:
    """Bytes of those of them that are there."""
    return {path: (root / path).stat().st_size for path in needed(root, manifest) if (root / path).is_file()}


def _sources(root: Path) -> list[str]:
    """The package's files; none that is hidden, and no compiled bytecode."""
    paths = [path.relative_to(root) for path in (root / "flowgen").rglob("*") if path.is_file()]
    return [
        path.as_posix() for path in paths if not any(part.startswith(".") or part == BYTECODE for part in path.parts)
    ]
