"""Every example in docs/api.md, run against a studio with the models that come with it."""

import base64
import re
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser

from flowgen.data import Images
from flowgen.data.pictures import from_levels

from .conftest import ROOT, serve

ENDPOINTS = ("models", "sample", "interpolate", "inpaint", "edit", "score", "heat_map")
ADDRESS = "http://127.0.0.1:7860"
TEXT = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A studio over the models in checkpoints/."""
    log = tmp_path_factory.mktemp("released") / "log.txt"
    with serve(ROOT / "checkpoints", log) as address:
        yield address
    assert "Traceback" not in log.read_text()


@pytest.fixture(autouse=True)
def pictures(tmp_path: Path, mnist: Images, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with in.png and mask.png, which is the current one."""
    from_levels(mnist.levels[0]).save(tmp_path / "in.png")
    mask = np.zeros((28, 28), np.uint8)
    mask[20:] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path


def examples(language: str, studio: str) -> list[str]:
    """The blocks of one language, talking to this studio."""
    assert ADDRESS in TEXT
    return [block.replace(ADDRESS, studio) for block in re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)]


def test_every_endpoint_has_an_example_in_every_language(released: str) -> None:
    info = httpx.get(f"{released}/gradio_api/info", trust_env=False).json()["named_endpoints"]
    assert set(info) == {f"/{name}" for name in ENDPOINTS}
    for name in ENDPOINTS:
        assert any(f'"/{name}"' in block for block in examples("python", released))
        assert any(f"ask {name} " in block for block in examples("bash", released))
        assert any(f'ask("{name}"' in block for block in examples("js", released))
        arguments = re.search(rf"^\| `/{name}` \| (.*?) \|", TEXT, re.MULTILINE)
        assert arguments
        assert [name for name in re.findall(r"`(\w+)`", arguments[1]) if name not in ("spherical", "linear")] == [
            argument["parameter_name"] for argument in info[f"/{name}"]["parameters"]
        ]


def test_the_python_examples(released: str, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {}
    said = []
    for block in examples("python", released):
        code = compile(block, "docs/api.md", "exec", dont_inherit=True)
        with ThreadPoolExecutor() as alone:  # the browser's tests leave an event loop running in this thread
            alone.submit(exec, code, names).result()
        said.append(capsys.readouterr().out)
    assert all(said)
    assert any("num must be a whole number from 1 to 64, not 1000." in each for each in said)
    assert str(["image", "text", "text"]) in said[-1]


def test_the_curl_examples(released: str) -> None:
    functions, *calls = examples("bash", released)
    for call in calls:
        done = subprocess.run(["bash", "-euc", functions + call], capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stderr
        assert "event: complete" in done.stdout, call
    refused = subprocess.run(
        ["bash", "-uc", functions + """ask sample '{"num": 1000}'"""], capture_output=True, text=True
    )
    assert refused.returncode == 1
    assert "num must be a whole number from 1 to 64, not 1000." in refused.stdout


@pytest.mark.browser
def test_the_javascript_examples(released: str, browser: Browser, pictures: Path) -> None:
    functions, *calls = examples("js", released)
    page = browser.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(f"{released}/gradio_api/info")
    given = [base64.b64encode((pictures / name).read_bytes()).decode() for name in ("in.png", "mask.png")]
    for call in calls:
        said.clear()
        page.evaluate(
            """async ([code, ...given]) => {
                const bytes = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
                const [picture, mask] = given.map((text) => new Blob([bytes(text)]));
                await new (async () => {}).constructor("picture", "mask", code)(picture, mask);
            }""",
            [functions + call, *given],
        )
        assert said, call
    page.close()
