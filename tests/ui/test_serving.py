"""What keeps the page from being served is a sentence and exit code 2."""

import os
import socket
import subprocess
import sys

import pytest

from .conftest import ROOT


def app(port: str) -> tuple[int, str]:
    """`python app.py` on a port: its exit code, and what it said."""
    environment = os.environ | {"GRADIO_SERVER_PORT": port}
    done = subprocess.run([sys.executable, "app.py"], cwd=ROOT, env=environment, capture_output=True, text=True)
    return done.returncode, done.stderr


def test_a_taken_port() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, said = app(str(port))
    assert code == 2
    assert said.startswith(f"flowgen: Port {port} of 127.0.0.1 is taken")
    assert said.count("\n") == 1


@pytest.mark.parametrize("port", ["70000", "0", "-1"])
def test_what_is_no_port(port: str) -> None:
    code, said = app(port)
    assert code == 2
    assert said == f"flowgen: GRADIO_SERVER_PORT is {port!r}; it must be a number from 1 to 65535.\n"
