"""What every request meets: an id, a line in the log with nothing of the visitor's; and when the studio is ready."""

import io
import json
import logging
import time
import traceback
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from flowgen.library import Library
from flowgen.ui.journal import JsonLines, Muffled
from flowgen.ui.readiness import readiness
from flowgen.ui.visitors import COOKIE

from .raw import Visitor


def get(studio: str, path: str, **headers: str) -> httpx.Response:
    return httpx.get(f"{studio}{path}", headers=headers, trust_env=False)


def test_the_studio_is_ready(studio: str) -> None:
    answer = get(studio, "/ready")
    assert answer.status_code == 200
    assert answer.json()["ready"]
    assert answer.json()["models"] == ["colour", "gray", "ordered"]
    assert answer.json()["waiting"] == {"now": 0, "most": 32}


def ask(library: Library, waiting: int = 0) -> tuple[int, dict[str, Any]]:
    queue: Any = type("Queue", (), {"__len__": lambda self: waiting})()
    with TestClient(Starlette(routes=[readiness(library, lambda: queue)])) as client:
        answer = client.get("/ready")
    return answer.status_code, answer.json()


def test_why_it_is_not_ready_is_said(checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "files"))
    library = Library(checkpoints, device="cpu")
    assert ask(library, waiting=31)[0] == 200
    status, answer = ask(library, waiting=32)
    assert (status, answer["ready"]) == (503, False)
    assert answer["why"].startswith("The queue is full: 32 requests wait.")

    status, answer = ask(Library(tmp_path, device="cpu"))
    assert status == 503
    assert answer["why"].startswith("There is no model here")

    (tmp_path / "file").touch()
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "file" / "folder"))
    status, answer = ask(library)
    assert status == 503
    assert answer["why"].startswith("No file can be written")
    assert str(tmp_path) not in answer["why"]


def test_an_id_comes_back_and_a_balancers_own_is_kept(studio: str) -> None:
    first, second = (get(studio, "/ready").headers["x-request-id"] for _ in range(2))
    assert first != second
    assert get(studio, "/ready", **{"X-Request-ID": "balancer-0001"}).headers["x-request-id"] == "balancer-0001"
    for forged in ("<script>alert(1)</script>", "a" * 65, 'x"\\n{}'):
        assert forged not in get(studio, "/ready", **{"X-Request-ID": forged}).headers["x-request-id"]
    assert "x-request-id" in get(studio, "/nothing/here").headers


def test_a_browser_gets_a_secret_that_scripts_cannot_read(studio: str) -> None:
    given = get(studio, "/").headers["set-cookie"]
    assert given.startswith(f"{COOKIE}=")
    assert all(flag in given for flag in ("HttpOnly", "SameSite=Lax", "Path=/"))
    assert given != get(studio, "/").headers["set-cookie"]
    assert "set-cookie" not in get(studio, "/", Cookie=f"{COOKIE}=mine").headers
    assert "set-cookie" not in get(studio, "/gradio_api/info").headers


def lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]


def test_the_log_tells_of_work_and_of_nobody(studio: str, studio_log: Path, digit: Path) -> None:
    marks = [f"xyzzy{i}" for i in range(8)]
    with Visitor(studio, session=marks[0]) as visitor:
        headers = {"X-Request-ID": "of-the-join"}
        visitor.http.headers.update({"user-agent": marks[1]})
        files = {"files": (f"{marks[2]}.png", digit.read_bytes())}
        uploaded = visitor.http.post("/gradio_api/upload", files=files).json()[0]
        file = {"path": uploaded, "orig_name": marks[3], "meta": {"_type": "gradio.FileData"}}
        assert visitor.ask("score", [file])["success"]
        visitor.ask("sample", ["gray", 1, 0.8, 0, marks[4]])
        visitor.ask("sample", [marks[5], 1, 0.8, 0, None])
        visitor.http.get(f"/gradio_api/file={marks[6]}", params={"q": marks[7]})
        visitor.http.headers.update(headers)
        assert visitor.ask("sample", ["gray", 2, 0.8, 0, None])["success"]
    deadline = time.monotonic() + 10
    while not (found := [line for line in lines(studio_log) if line.get("request_id") == "of-the-join"]):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    text = studio_log.read_text()
    assert not [mark for mark in marks if mark in text]
    work = next(line for line in found if line["event"] == "work")
    assert (work["endpoint"], work["status"]) == ("sample", "done")
    assert work["milliseconds"] >= 0
    assert work["waited_milliseconds"] >= 0
    join = next(line for line in found if line["event"] == "request" and line["path"] == "/gradio_api/queue/join")
    assert (join["method"], join["status"]) == ("POST", 200)


def test_what_others_print_is_told_of_once_and_not_repeated() -> None:
    stream, muffled = io.StringIO(), Muffled()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    log = logging.getLogger("flowgen.ui.journal")
    log.addHandler(handler)
    try:
        {}["what a visitor wrote"]
    except KeyError:
        traceback.print_exc(file=muffled)
    finally:
        log.removeHandler(handler)
    (line,) = stream.getvalue().splitlines()
    assert "test_requests.py:" in json.loads(line)["at"]
    assert "visitor" not in line


def test_of_an_error_the_log_keeps_its_kind_and_its_place() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    log = logging.Logger("a test's")
    log.addHandler(handler)
    try:
        {}["what a visitor wrote"]
    except KeyError:
        log.exception("a request failed")
    line = json.loads(stream.getvalue())
    assert (line["level"], line["event"], line["error"]) == ("error", "a request failed", "KeyError")
    assert "test_requests.py:" in line["at"][-1]
    assert "visitor" not in stream.getvalue()
