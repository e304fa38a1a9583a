"""A shell, and a directory with small models and pictures to use it in."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from flowgen.__main__ import main
from flowgen.checkpoint import Meta, build, save_checkpoint
from flowgen.data.pictures import from_levels


class Shell:
    """Runs `flowgen ...` in this process and keeps what it printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.capsys, self.monkeypatch = capsys, monkeypatch

    def __call__(self, *words: object) -> tuple[int, str, str]:
        self.monkeypatch.setattr("sys.argv", ["flowgen", *map(str, words)])
        self.capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main()
        out, err = self.capsys.readouterr()
        assert "Traceback" not in err
        return int(exit_.value.code or 0), out, err

    def json(self, *words: object) -> Any:
        code, out, _ = self(*words, "--json")
        assert code == 0
        return json.loads(out)


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    return Shell(capsys, monkeypatch)


@pytest.fixture(autouse=True)
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mnist_levels: Tensor) -> Path:
    """A directory with one model, a digit, another, and a mask."""
    torch.manual_seed(0)
    meta = Meta("glow", {"depth": 1, "hidden": 8}, (1, 28, 28), dataset="folder")
    model: Any = build(meta)
    model.initialize((mnist_levels + 0.5) / 256)
    (tmp_path / "checkpoints").mkdir()
    save_checkpoint(tmp_path / "checkpoints" / "tiny.safetensors", model, meta)
    for name, digit in (("a.png", 0), ("b.png", 1)):
        from_levels(mnist_levels[digit]).save(tmp_path / name)
    mask = np.zeros((28, 28), np.uint8)
    mask[14:] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    images = tmp_path / "images"
    images.mkdir()
    for i, levels in enumerate(mnist_levels[:40]):
        from_levels(levels).save(images / f"{i:02}.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FLOWGEN_CHECKPOINTS", str(tmp_path / "checkpoints"))
    return tmp_path
