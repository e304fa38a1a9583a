"""`flowgen space smoke`: every endpoint of a running studio is called, and one that fails is told."""

from collections.abc import Callable, Iterator

import httpx
import pytest

from flowgen.__main__ import main
from flowgen.commands.smoke import probes
from flowgen.errors import FlowgenError

from .conftest import serve

Smoke = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def smoke(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Smoke:
    """The command's exit code, and the lines that it printed."""

    def run(*words: str) -> tuple[int, list[str]]:
        monkeypatch.setattr("sys.argv", ["flowgen", "space", "smoke", *words])
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main()
        return int(exit_.value.code or 0), capsys.readouterr().out.splitlines()

    return run


def test_every_endpoint_of_a_studio_answers(studio: str, smoke: Smoke) -> None:
    code, lines = smoke(studio)
    assert code == 0, lines
    endpoints = httpx.get(f"{studio}/gradio_api/info", trust_env=False).json()["named_endpoints"]
    assert [line.split()[1] for line in lines] == ["/", "/ready", *endpoints]
    assert all(line.startswith("ok ") for line in lines)


BROKEN = """
import time

import gradio as gr


def models() -> list:
    return [{"name": "gray"}]


def sample(num: float) -> str:
    raise gr.Error("out of order", print_exception=False)


def score(num: float) -> str:
    time.sleep(3)
    return "late"


def inpaint(image: str) -> str:
    return image


def interpolate(num: float) -> str:
    return __file__


with gr.Blocks() as page:
    number, file, text = gr.Number(visible=False), gr.File(visible=False), gr.Textbox(visible=False)
    gr.on([], models, [], gr.JSON(visible=False), api_name="models")
    gr.on([], sample, number, text, api_name="sample")
    gr.on([], score, number, text, api_name="score")
    gr.on([], inpaint, file, file, api_name="inpaint")
    gr.on([], interpolate, number, file, api_name="interpolate")
page.launch(ssr_mode=False, quiet=True)
"""


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with endpoints of the same names: one fails, one hangs, and one gives a file that is no picture."""
    app = tmp_path_factory.mktemp("broken") / "app.py"
    app.write_text(BROKEN)
    with serve(app.parent, app.with_name("log.txt"), app) as address:
        yield address


def test_endpoints_out_of_order_are_told_and_the_others_called_all_the_same(broken: str, smoke: Smoke) -> None:
    code, lines = smoke(broken, "--timeout", "1")
    assert code == 1
    said = {line.split()[1]: line for line in lines}
    assert said["/models"].startswith("ok ")
    assert said["/ready"].startswith("FAILED")
    assert "404" in said["/ready"]
    assert said["/inpaint"].startswith("ok ")
    assert said["/sample"].startswith("FAILED")
    assert "out of order" in said["/sample"]
    assert said["/score"].startswith("FAILED")
    assert "no answer within 1 s" in said["/score"]
    assert said["/interpolate"].startswith("FAILED")


def test_where_no_studio_answers() -> None:
    with pytest.raises(FlowgenError, match=r"No studio answers at 'http://127.0.0.1:9'"):
        list(probes("http://127.0.0.1:9", 1))
