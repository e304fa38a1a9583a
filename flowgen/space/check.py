"""Where the repository and its Spacefile disagree, and what the Hub would not take."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from flowgen.space.drift import drift, drift_on_hub
from flowgen.space.files import LARGEST_FILE, LARGEST_SPACE, needed, present
from flowgen.space.manifest import Manifest
from flowgen.space.render import rendered, text_of

__all__ = ["check"]

PICKLED = {".bin", ".ckpt", ".h5", ".joblib", ".npy", ".npz", ".onnx", ".pickle", ".pkl", ".pt", ".pth"}
ZEROGPU_PYTHON = {"3.10", "3.12"}
ZEROGPU_TORCH = ("2.8.0", "2.9.1", "2.10.0", "2.11.0")  # of which a Space on ZeroGPU gets one
READS = re.compile(r"""environ(?:\.get\(|\[)["'](\w+)["']""")


def check(root: Path, manifest: Manifest, *, hub: bool = False) -> list[str]:
    """What is wrong, in a sentence each; nothing, if all is well.

    Args:
        root: the repository.
        manifest: its Spacefile.
        hub: whether to fetch the models that it lists by a hub path, and check them too.
    """
    parts = (_files, drift, _versions, _rendered, _environment)
    found = [sentence for part in parts for sentence in part(root, manifest)]
    found += [sentence for model in manifest.models if hub and model.hub for sentence in drift_on_hub(model)]
    return list(dict.fromkeys(found))


def _files(root: Path, manifest: Manifest) -> Iterator[str]:
    sizes = present(root, manifest)
    for path in needed(root, manifest):
        if path not in sizes:
            yield f"{path} is missing."
        elif sizes[path] > LARGEST_FILE:
            yield f"{path} has {sizes[path]:,} bytes; a file may have {LARGEST_FILE:,}."
    if sum(sizes.values()) > LARGEST_SPACE:
        yield f"All files together have {sum(sizes.values()):,} bytes; a Space may have {LARGEST_SPACE:,}."
    kept = [*(root / "checkpoints").rglob("*"), *(root / "flowgen").rglob("*")]
    for suspect in sorted(file for file in kept if file.suffix in PICKLED):
        yield f"{suspect.relative_to(root)} may hold weights that are no safetensors; convert them, or take it out."


def _versions(root: Path, manifest: Manifest) -> Iterator[str]:
    pin, python = manifest.runtime.gradio, manifest.runtime.python
    ranges, pins = _requirements(root / "requirements.txt"), _requirements(root / "constraints.txt")
    for name, found in (("requirements.txt", ranges), ("constraints.txt", pins)):
        if "gradio" not in found or not found["gradio"].specifier.contains(pin):
            yield f"The Spacefile pins gradio {pin}, which {name} does not allow."
    if "torch" in ranges and not all(map(ranges["torch"].specifier.contains, ZEROGPU_TORCH)):
        yield f"requirements.txt must allow torch {ZEROGPU_TORCH[0]} to {ZEROGPU_TORCH[-1]}, which ZeroGPU has."
    minor = ".".join(python.split(".")[:2])
    if minor not in ZEROGPU_PYTHON:
        yield f"The Spacefile's python is {python}; ZeroGPU has {' and '.join(sorted(ZEROGPU_PYTHON))}."
    if not (root / "pyproject.toml").is_file():
        return
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    if not Requirement(f"python{project['requires-python']}").specifier.contains(python):
        yield f"The Spacefile's python is {python}, and pyproject.toml requires {project['requires-python']}."
    if f"Programming Language :: Python :: {minor}" not in project["classifiers"]:
        yield f"The Spacefile's python is {python}, and pyproject.toml's classifiers do not name {minor}."


def _requirements(path: Path) -> dict[str, Requirement]:
    """The lines of a requirements file, by the package's name."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        try:
            requirement = Requirement(line.split("#")[0])
        except InvalidRequirement:  # an empty line, a comment or an option of pip's
            continue
        found[requirement.name] = requirement
    return found


def _rendered(root: Path, manifest: Manifest) -> Iterator[str]:
    for name, text in rendered(root, manifest).items():
        if text != text_of(root / name):
            yield f"{name} is not what the Spacefile says; `flowgen space render` writes it."


def _environment(root: Path, manifest: Manifest) -> Iterator[str]:
    sources = [root / manifest.runtime.app_file, *(root / "flowgen").rglob("*.py")]
    read = {name for path in sources if path.is_file() for name in READS.findall(path.read_text(encoding="utf-8"))}
    for name in sorted(read - manifest.environment.keys()):
        yield f"The environment variable {name} is read, and the Spacefile does not name it."
    for name in sorted(manifest.environment.keys() - read):
        yield f"The Spacefile names the environment variable {name}, and nothing reads it."
