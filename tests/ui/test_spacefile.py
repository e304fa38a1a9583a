"""The Spacefile beside app.py decides what the page allows, and without a sound one nothing is served."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from .conftest import change, serve


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
    ("spacefile", "sentence"),
    [
        ("version: 1\ncard: 1", "The Spacefile is out of order: card: input should be "),
        (None, "There is no Spacefile here; it belongs beside app.py, and says how to run it.\n"),
    ],
    ids=["broken", "missing"],
)
def test_without_a_sound_one_the_app_ends_with_a_sentence(
    app: Path, tmp_path: Path, spacefile: str | None, sentence: str
) -> None:
    (tmp_path / "app.py").write_bytes(app.read_bytes())
    if spacefile is not None:
        (tmp_path / "Spacefile").write_text(spacefile)
    done = subprocess.run([sys.executable, "app.py"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith(f"flowgen: {sentence}")
    assert done.stderr.count("\n") == 1
