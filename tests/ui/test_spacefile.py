"""The Spacefile beside app.py decides what the page allows and offers, and without a sound one nothing is served."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from gradio_client import Client, handle_file

from ..space.stand_in import Repository, serve_hub
from .conftest import ROOT, change, serve

LISTED = """
- hub: someone/models/{name}
  revision: {revision}
  sha256: {sha256}
  bytes: {bytes}
  dataset: mnist
  licence: Apache-2.0
  bits_per_dim: 1.0
"""


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("own") / "log.txt"


@pytest.fixture(scope="module")
def own(app: Path, checkpoints: Path, log: Path) -> Iterator[str]:
    """A studio with other limits, and two models on a Hub, of which one is not what is listed."""
    change(app, "images: 64", "images: 5")
    change(app, "upload_megabytes: 20", "upload_megabytes: 1")
    content = (checkpoints / "gray.safetensors").read_bytes()
    facts = {"revision": "a" * 40, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    models = "".join(LISTED.format(name=name, **facts) for name in ("far", "forged"))
    change(app, "\nmodels:\n", f"\nmodels:{models}")
    with serve_hub() as hub, pytest.MonkeyPatch.context() as patch:
        files = {"far.safetensors": content, "forged.safetensors": content[:-1] + b"!"}
        hub.repositories["model", "someone/models"] = Repository(revisions={"a" * 40: files})
        patch.setenv("HF_ENDPOINT", hub.address)
        patch.setenv("HF_HOME", str(log.with_name("hf")))
        with serve(checkpoints, log, app) as address:
            yield address


def test_its_limits_are_what_the_page_and_the_endpoints_allow(own: str) -> None:
    with httpx.Client(trust_env=False, timeout=60) as client:
        arguments = client.get(f"{own}/gradio_api/info").json()["named_endpoints"]["/sample"]["parameters"]
        assert arguments[1]["label"] == "How many images, 1 to 5"
        call = {"data": ["gray", 6, 0.8, 0, None]}
        refused = client.post(f"{own}/gradio_api/call/sample", json=call)
        assert "num must be a whole number from 1 to 5, not 6" in refused.text
        upload = {"files": ("large.png", bytes(1_100_000))}
        assert client.post(f"{own}/gradio_api/upload", files=upload).status_code == 413


def test_its_models_on_the_hub_are_offered_and_one_that_is_not_what_is_listed_is_left_out(
    own: str, digit: Path, log: Path
) -> None:
    client = Client(own, verbose=False)
    assert [model["name"] for model in client.predict(api_name="/models")] == ["colour", "far", "gray", "ordered"]
    scores = client.predict(handle_file(digit), api_name="/score")
    client.close()
    bits = {score["model"]: score["bits_per_dim"] for score in scores}
    assert bits["far"] == bits["gray"]
    assert f"hf:someone/models/forged@{'a' * 40} is not the file that the Spacefile lists" in log.read_text()


@pytest.mark.parametrize(
    ("spacefile", "sentence"),
    [
        ("version: 1\ncard: 1", "The Spacefile is out of order: card: input should be "),
        (None, "There is no Spacefile here; it belongs beside app.py, and says how to run it.\n"),
    ],
    ids=["broken", "missing"],
)
def test_without_a_sound_one_the_app_ends_with_a_sentence(tmp_path: Path, spacefile: str | None, sentence: str) -> None:
    (tmp_path / "app.py").write_bytes((ROOT / "app.py").read_bytes())
    if spacefile is not None:
        (tmp_path / "Spacefile").write_text(spacefile)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "app.py"], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith(f"flowgen: {sentence}")
    assert done.stderr.count("\n") == 1
