"""A copy of what a Space is made of, to be changed at will."""

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PARTS = ("app.py", "constraints.txt", "LICENSE", "pyproject.toml", "README.md", "requirements.txt", "Spacefile")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The repository's own files, those that the Space needs and those that it is checked against."""
    copy = tmp_path / "repository"
    for folder in ("checkpoints", "flowgen"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    for name in PARTS:
        shutil.copy(ROOT / name, copy)
    return copy
