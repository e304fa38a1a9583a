"""What happens to servers: the disk is full, a checkpoint is gone or damaged, and the process is killed."""

import html
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import httpx
import pytest

from .conftest import ROOT
from .raw import Visitor, box

PATIENCE = 180
RESTART = 15.0  # seconds, or as long as the first start took where the machine is busy


class Server:
    """app.py in a process of its own, which can be killed and started again at the same port."""

    def __init__(self, checkpoints: Path, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address, self.checkpoints, self.files = f"http://127.0.0.1:{self.port}", checkpoints, folder / "files"
        self.log = folder / "log.txt"

    def start(self) -> float:
        """Seconds until it is ready."""
        environment = os.environ | {
            "FLOWGEN_CHECKPOINTS": str(self.checkpoints),
            "GRADIO_SERVER_PORT": str(self.port),
            "GRADIO_TEMP_DIR": str(self.files),
        }
        started = time.monotonic()
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "app.py"], cwd=ROOT, env=environment, stdout=log, stderr=log
            )
        while not self.ready():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() - started < PATIENCE
            time.sleep(0.1)
        return time.monotonic() - started

    def ready(self) -> bool:
        try:
            return httpx.get(f"{self.address}/ready", trust_env=False, timeout=PATIENCE).status_code == 200
        except httpx.TransportError:
            return False

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(how)
        self.process.wait(30)


@pytest.fixture(scope="module")
def server(checkpoints: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    shutil.copytree(checkpoints, folder / "checkpoints")
    server = Server(folder / "checkpoints", folder)
    server.first_start = server.start()  # type: ignore[attr-defined]
    yield server
    server.end()


def draws(server: Server, model: str) -> bool:
    with Visitor(server.address) as visitor:
        answer = visitor.ask("page_generate", [model, "any", 1, 0.8, 0])
        return bool(answer.get("success"))


def test_a_checkpoint_that_is_gone_or_damaged_is_said_and_the_others_go_on(server: Server) -> None:
    path = server.checkpoints / "gray.safetensors"
    whole = path.read_bytes()
    assert draws(server, "gray")
    for content in (None, b"", b"\0" * 100, whole[: len(whole) // 2], os.urandom(len(whole))):
        path.unlink()
        if content is not None:
            path.write_bytes(content)
        with Visitor(server.address) as visitor:
            for name, data in (("page_generate", ["gray", "any", 1, 0.8, 0]), ("sample", ["gray", 1, 0.8, 0, None])):
                answer = visitor.ask(name, data)
                said = str(answer.get("detail") or answer["output"]["error"])
                assert "model must be one of colour, ordered" in said or "'gray' is damaged" in html.unescape(said)
            assert visitor.ask("models", [])["success"]
        assert draws(server, "colour")
        assert server.ready()
        path.write_bytes(whole)
    assert draws(server, "gray")


def test_a_full_disk_is_said_and_what_needs_no_file_goes_on(server: Server, digit: Path) -> None:
    """The kernel refuses the server's writes beyond a size, as it does on a full disk; its log is one of them."""
    pid = server.process.pid
    hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, hard))
    try:
        assert not server.ready()
        answer = httpx.get(f"{server.address}/ready", trust_env=False)
        assert answer.status_code == 503
        assert answer.json()["why"].startswith("No file can be written")
        with Visitor(server.address) as visitor:
            sent = visitor.http.post("/gradio_api/upload", files={"files": ("a.png", digit.read_bytes())})
            assert sent.status_code == 507
            assert "no room for files" in sent.json()["detail"]
            sampled = visitor.ask("sample", ["gray", 1, 0.8, 123, None])
            assert "no room for files" in sampled["output"]["error"]
        assert draws(server, "gray"), "the page's own results need no file"
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
    assert server.ready()
    with Visitor(server.address) as visitor:
        assert visitor.ask("sample", ["gray", 1, 0.8, 123, None])["success"]


def test_killed_in_the_middle_of_a_request_it_starts_clean(server: Server, digit: Path) -> None:
    with Visitor(server.address) as visitor:
        data = visitor.defaults("page_inpaint")
        data[:7] = ["ordered", box(digit.read_bytes()), "gibbs", None, 16, 2000, 0]
        assert visitor.join("page_inpaint", data).status_code == 200
        visitor.http.post("/gradio_api/upload", files={"files": ("a.png", digit.read_bytes())}).raise_for_status()
        heard: list[str] = []

        def listen() -> None:
            try:
                heard.extend(message["msg"] for message in visitor.messages())
            except httpx.TransportError:
                heard.append("broken off")

        listening = Thread(target=listen)
        listening.start()
        time.sleep(2)
        server.end(signal.SIGKILL)
        listening.join(30)
    assert heard[-1] == "broken off"
    seconds = server.start()
    assert seconds < max(RESTART, 2 * server.first_start)  # type: ignore[attr-defined]
    assert draws(server, "gray")
