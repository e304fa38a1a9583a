"""The Spacefile beside app.py decides what the page allows, and without a sound one nothing is served."""

import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from .conftest import ROOT, serve


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """A copy of app.py with a Spacefile of its own."""
    for name in ("app.py", "Spacefile"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path / "app.py"


def change(app: Path, old: str, new: str) -> None:
    spacefile = app.with_name("Spacefile")
    text = spacefile.read_text(encoding="utf-8")
    assert text.count(old) == 1
    spacefile.write_text(text.replace(old, new), encoding="utf-8")


def test_its_limits_are_what_the_page_and_the_endpoints_allow(app: Path, checkpoints: Path) -> None:
    change(app, "images: 64", "images: 5")
    change(app, "upload_megabytes: 20", "upload_megabytes: 1")
    with serve(checkpoints, app.with_name("log.txt"), app) as studio, httpx.Client(trust_env=False) as client:
        arguments = client.get(f"{studio}/gradio_api/info").json()["named_endpoints"]["/sample"]["parameters"]
        assert arguments[1]["label"] == "How many images, 1 to 5"
        call = {"data": ["gray", 6, 0.8, 0, None]}
        refused = client.post(f"{studio}/gradio_api/call/sample", json=call)
        assert "num must be a whole number from 1 to 5, not 6" in refused.text
        upload = {"files": ("large.png", bytes(1_100_000))}
        assert client.post(f"{studio}/gradio_api/upload", files=upload).status_code == 413


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("queue: 32", "queue: -1", "The Spacefile is out of order: limits.queue: input should be greater than 0."),
        (None, None, "There is no Spacefile here; it belongs beside app.py, and says how to run it."),
    ],
    ids=["broken", "missing"],
)
def test_without_a_sound_one_the_app_ends_with_a_sentence(
    app: Path, old: str | None, new: str | None, sentence: str
) -> None:
    if old is None or new is None:
        app.with_name("Spacefile").unlink()
    else:
        change(app, old, new)
    done = subprocess.run([sys.executable, str(app)], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, f"flowgen: {sentence}\n")
