"""Drift between the repository and its Spacefile: none here, and each kind of it found where it is made."""

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from flowgen.checkpoint import read_meta, rewrite_meta
from flowgen.space import check, present, read, render, render_models

from .conftest import ROOT

GLOW = "checkpoints/glow-mnist.safetensors"
CARDS = "checkpoints/README.md is not what the files in checkpoints/ say"
FIGURE = f"{read_meta(ROOT / GLOW).bits_per_dim:.4f}"


def findings(root: Path) -> list[str]:
    return check(root, read(root / "Spacefile"))


def test_this_repository_is_what_its_spacefile_says() -> None:
    assert findings(ROOT) == []
    sizes = present(ROOT, read(ROOT / "Spacefile"))
    assert sum(sizes.values()) < 100 * 10**6
    assert {"app.py", "Spacefile", "README.md", "requirements.txt", "LICENSE", GLOW, "flowgen/ui/style.css"} <= set(
        sizes
    )
    assert not any(path.startswith(("tests/", "docs/", "bench/", ".")) or "__pycache__" in path for path in sizes)


def edit(name: str, old: str, new: str) -> Callable[[Path], object]:
    def change(root: Path) -> None:
        text = (root / name).read_text(encoding="utf-8")
        assert old in text
        (root / name).write_text(text.replace(old, new, 1), encoding="utf-8")

    return change


def remeasure(root: Path) -> None:
    """Another figure in the header, of a file that has as many bytes."""
    path = root / GLOW
    size = path.stat().st_size
    rewrite_meta(path, dataclasses.replace(read_meta(path), bits_per_dim=1.0, licence="MIT", dataset="other"))
    path.write_bytes(path.read_bytes().ljust(size, b"\0")[:size])


def write(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda root: (root / name).write_bytes(content)


@pytest.mark.parametrize(
    ("change", "sentences"),
    [
        (write(GLOW, b"\x80\x04K\x01."), ["'glow-mnist' is damaged, or no safetensors file"]),
        (
            lambda root: (root / GLOW).write_bytes((root / "checkpoints/nice-mnist.safetensors").read_bytes()),
            ["has sha256 3f11", "has bytes 2045552", f"bits_per_dim 1.3368, and the Spacefile says {FIGURE}", CARDS],
        ),
        (remeasure, ["has sha256", "has dataset other", "has licence MIT", "has bits_per_dim 1.0", CARDS]),
        (lambda root: (root / GLOW).unlink(), [f"{GLOW} is missing", CARDS]),
        (edit("checkpoints/README.md", f"{FIGURE} bits", "1.0772 bits"), [CARDS]),
        (lambda root: (root / "LICENSE").unlink(), ["LICENSE is missing"]),
        (
            lambda root: (root / GLOW).rename(root / "checkpoints/new.safetensors"),
            [f"{GLOW} is missing", "checkpoints/new.safetensors is not in the Spacefile", CARDS],
        ),
        (write("checkpoints/old.pt", b"PK"), ["checkpoints/old.pt may hold weights that are no safetensors"]),
        (write("flowgen/ui/film.mp4", bytes(10_000_001)), ["flowgen/ui/film.mp4 has 10,000,001 bytes; a file may"]),
        (edit("requirements.txt", "gradio[mcp]>=6.31,<7", "gradio[mcp]>=6.32,<7"), ["6.31.0, which requirements.txt"]),
        (edit("constraints.txt", "\ngradio==6.31.0", "\ngradio==6.32.0"), ["6.31.0, which constraints.txt does not"]),
        (edit("requirements.txt", "torch>=2.8,<2.15", "torch>=2.9,<2.15"), ["must allow torch 2.8.0 to 2.11.0"]),
        (edit("pyproject.toml", '">=3.11"', '">=3.13"'), ["python is 3.12, and pyproject.toml requires >=3.13"]),
        (edit("pyproject.toml", "Python :: 3.12", "Python :: 3.13"), ["classifiers do not name 3.12"]),
        (edit("README.md", "colorTo: purple", "colorTo: pink"), ["README.md is not what the Spacefile says"]),
        (edit("README.md", "---\n", ""), ["README.md is not what the Spacefile says"]),
        (edit("Spacefile", "apt: []", "apt: [ffmpeg]"), ["packages.txt is missing", "packages.txt is not what"]),
        (write("packages.txt", b"ffmpeg\n"), ["packages.txt is not what the Spacefile says"]),
        (write("flowgen/new.py", b"import os\nos.environ['SECRET']\n"), ["SECRET is read, and the Spacefile does not"]),
        (edit("Spacefile", "  FLOWGEN_DATA:", "  FLOWGEN_DATE:"), ["FLOWGEN_DATA is read", "FLOWGEN_DATE, and"]),
        (
            edit("Spacefile", "file: checkpoints/glow-mnist", "file: checkpoints/nice-mnist"),
            ["have one name", f"{GLOW} is not in the Spacefile", "sha256", "bytes", "bits_per_dim"],
        ),
    ],
    ids=[
        "pickle", "other weights", "header", "model gone", "cards", "file gone", "renamed", "suffix", "large",
        "gradio range", "gradio pin", "torch", "python", "classifier", "front matter", "no front matter", "packages",
        "no packages", "variable", "variable renamed", "listed twice",
    ],
)  # fmt: skip
def test_drift_is_found(repository: Path, change: Callable[[Path], object], sentences: list[str]) -> None:
    change(repository)
    found = findings(repository)
    assert len(found) == len(sentences), found
    for said, part in zip(found, sentences, strict=True):
        assert part in said


def test_more_than_a_space_may_have(repository: Path) -> None:
    for number in range(10):
        (repository / "flowgen" / f"{number}.bytes").write_bytes(bytes(9_999_999))
    (said,) = findings(repository)
    assert re.match(r"All files together have 1\d\d,\d{3},\d{3} bytes; a Space may have 100,000,000\.", said)


def test_rendering_mends_the_readme_and_touches_nothing_but_its_front_matter(repository: Path) -> None:
    before = (repository / "README.md").read_text(encoding="utf-8")
    edit("Spacefile", "title: FlowGen", "title: 'Flow: Gen'")(repository)
    edit("Spacefile", "apt: []", "apt: [ffmpeg, libgl1]")(repository)
    manifest = read(repository / "Spacefile")
    assert render(repository, manifest) == ["README.md", "packages.txt"]
    after = (repository / "README.md").read_text(encoding="utf-8")
    assert after == before.replace("title: FlowGen", "title: 'Flow: Gen'")
    assert (repository / "packages.txt").read_text() == "ffmpeg\nlibgl1\n"
    assert findings(repository) == []
    assert render(repository, manifest) == []
    edit("Spacefile", "apt: [ffmpeg, libgl1]", "apt: []")(repository)
    assert render(repository, read(repository / "Spacefile")) == ["packages.txt"]
    assert not (repository / "packages.txt").exists()


def test_the_list_of_models_is_written_anew_and_the_rest_of_the_spacefile_is_left(repository: Path) -> None:
    before = (repository / "Spacefile").read_text(encoding="utf-8")
    assert not render_models(repository)
    remeasured = repository / GLOW
    rewrite_meta(remeasured, dataclasses.replace(read_meta(remeasured), bits_per_dim=1.23456))
    (repository / "checkpoints/nice-mnist.safetensors").unlink()
    assert render_models(repository)
    after = (repository / "Spacefile").read_text(encoding="utf-8")
    assert after.split("models:")[0] == before.split("models:")[0]
    models = {model.name: model for model in read(repository / "Spacefile").models}
    assert "nice-mnist" not in models
    assert models["glow-mnist"].bits_per_dim == 1.2346
    assert findings(repository) == []
