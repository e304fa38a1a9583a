"""Whoever stops, cancels or leaves frees the worker within a second, in the middle of a step; nobody else can do it."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest

from flowgen.data import Images
from flowgen.evaluation import bits_per_dim
from flowgen.inference import complete, draw
from flowgen.inference.interpolate import interpolate
from flowgen.interruption import Interrupted, checkpoint, interruptible
from flowgen.library import Library
from flowgen.ui import job
from flowgen.ui.job import Job, Left, attended
from flowgen.ui.limits import LIMITS
from flowgen.ui.pace import Paces

from .raw import Visitor, box

TRIES = 3  # what else runs on the machine takes its time, too; it does not take it three times


def long_run(visitor: Visitor, digit: Path) -> list[Any]:
    """What the page sends for Gibbs of 16 variants: one step tries 40,960 pictures, which takes several seconds."""
    data = visitor.defaults("page_inpaint")
    data[:7] = ["ordered", box(digit.read_bytes()), "gibbs", None, 16, 2000, 0]
    return data


class Running:
    """A long run, until whatever ends it, and how soon after that the next visitor's request is begun."""

    def __init__(self, studio: str, digit: Path) -> None:
        self.studio = studio
        self.visitor, self.next = Visitor(studio).__enter__(), Visitor(studio).__enter__()
        self.visitor.join("page_begin_1", [])
        list(self.visitor.messages())
        self.event = self.visitor.join("page_inpaint", long_run(self.visitor, digit)).json()["event_id"]
        self.heard: list[dict[str, Any]] = []
        self.stream = self.visitor.http.stream(
            "GET", "/gradio_api/queue/data", params={"session_hash": self.visitor.session}
        )
        self.lines = self.stream.__enter__().iter_lines()
        while "process_generating" not in next(self.lines):
            continue
        time.sleep(1)  # by now it is within a step

    def seconds_until_the_next_begins(self, end: Callable[["Running"], Any]) -> float:
        begun: list[float] = []

        def wait() -> None:
            self.next.seconds_to_begin("page_draw", ["gray"])
            begun.append(time.monotonic())

        waiting = Thread(target=wait)
        waiting.start()
        time.sleep(0.5)
        assert not begun, "the run still holds the worker"
        ended = time.monotonic()
        end(self)
        waiting.join(60)
        return begun[0] - ended

    def close(self) -> None:
        self.stream.__exit__(None, None, None)
        self.visitor.http.close()
        self.next.http.close()


def stop(run: Running) -> None:
    other = Visitor.__new__(Visitor)  # the same browser on another connection
    other.__dict__.update(run.visitor.__dict__)
    other.http = run.next.http
    cookies = dict(run.visitor.http.cookies)
    body = {"data": [], "fn_index": run.visitor.functions()["page_end_1"]["id"], "session_hash": run.visitor.session}
    other.http.post("/gradio_api/queue/join", json=body, headers=_cookie(cookies)).raise_for_status()


def cancel(run: Running) -> None:
    body = {
        "session_hash": run.visitor.session,
        "fn_index": run.visitor.functions()["page_inpaint"]["id"],
        "event_id": run.event,
    }
    run.next.http.post("/gradio_api/cancel", json=body).raise_for_status()


def leave(run: Running) -> None:
    run.stream.__exit__(None, None, None)


def _cookie(cookies: dict[str, str]) -> dict[str, str]:
    return {"cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}


@pytest.mark.parametrize("end", [stop, cancel, leave])
def test_the_worker_is_free_within_a_second(studio: str, digit: Path, end: Callable[[Running], Any]) -> None:
    seconds = []
    for _ in range(TRIES):
        run = Running(studio, digit)
        seconds.append(run.seconds_until_the_next_begins(end))
        run.close()
        if seconds[-1] < 1:
            return
    pytest.fail(f"the next visitor waited {seconds} s")


def test_a_full_queue_lets_a_stop_through(studio: str, digit: Path) -> None:
    run, visitors = Running(studio, digit), [Visitor(studio) for _ in range(LIMITS.queue)]
    try:
        for visitor in visitors:
            assert visitor.join("page_draw", ["gray"]).status_code == 200
        turned_away = run.next.join("page_draw", ["gray"])
        assert (turned_away.status_code, turned_away.json()["detail"]) == (503, "Queue is full. 32 wait, and 32 may.")
        assert run.next.ask("page_reckon", ["gray", "mala", None, 4, 100])["success"], "what is no work"
        stop(run)
        assert [message["msg"] for message in visitors[-1].messages()][-1] == "process_completed"
    finally:
        run.close()
        for visitor in visitors:
            visitor.http.close()


def test_a_forged_session_hash_ends_nobodys_run(studio: str, digit: Path) -> None:
    run = Running(studio, digit)
    with Visitor(studio, run.visitor.session) as attacker:
        assert attacker.join("page_end_1", []).status_code == 200
        for event in ("0" * 32, "", None, {"a": 1}):
            body = {"session_hash": run.visitor.session, "fn_index": attacker.functions()["page_inpaint"]["id"]}
            refused = attacker.http.post("/gradio_api/cancel", json=body | {"event_id": event})
            assert refused.status_code == 404
    asked = time.monotonic()
    waited = run.seconds_until_the_next_begins(lambda run: (time.sleep(3), leave(run)))
    assert waited > 3, "it went on until its own visitor left"
    assert time.monotonic() - asked > 3
    run.close()


@pytest.fixture
def library(checkpoints: Path) -> Library:
    return Library(checkpoints, device="cpu")


def works(library: Library, image: Any) -> Iterator[Callable[[], Any]]:
    """Everything that computes with a model."""
    gray, ordered = library.load("gray").frozen(), library.load("ordered").frozen()
    known = image[0] >= 0
    known[20:] = False
    yield lambda: list(draw(gray, 4))
    yield lambda: list(draw(ordered, 4))
    yield lambda: interpolate(gray, image, image, 4)
    yield lambda: interpolate(ordered, image, image, 4)
    yield lambda: bits_per_dim(gray, image[None])
    yield lambda: bits_per_dim(ordered, image[None])
    yield lambda: list(complete(gray, image, known, method="mala", steps=4))
    yield lambda: list(complete(ordered, image, known, method="raster_smc"))
    yield lambda: Paces(library).of("gray", "mala")


def test_every_kind_of_work_asks_whether_it_is_still_wanted(library: Library, mnist: Images) -> None:
    def refuse() -> None:
        raise Interrupted("Enough.")

    for work in works(library, mnist.levels[0]):
        with interruptible(refuse), pytest.raises(Interrupted):
            work()


def test_a_request_ends_at_its_deadline_and_may_then_finish_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "LIMITS", SimpleNamespace(seconds=0.2))

    def endless() -> str:
        try:
            while True:
                time.sleep(0.01)
                checkpoint()
        except Interrupted as error:
            checkpoint()
            return str(error)

    def frames() -> Iterator[float]:
        while True:
            time.sleep(0.01)
            checkpoint()
            yield time.monotonic()

    started = time.monotonic()
    assert attended(endless)().startswith("This was ended after 0.2 s")
    seen = []
    with pytest.raises(Interrupted):
        seen.extend(attended(frames)())
    assert time.monotonic() - started < 3


def test_a_request_that_nobody_waits_for_is_left() -> None:
    event: Any = SimpleNamespace(_id="1", alive=True)
    queue: Any = SimpleNamespace(event_ids_to_events={"1": event})
    waiting = Job("sample", queue, event)
    waiting.check()
    event.alive = False  # the page was closed
    with pytest.raises(Left):
        waiting.check()
    event.alive = True
    queue.event_ids_to_events.clear()  # it was cancelled
    with pytest.raises(Left):
        waiting.check()
    Job("a test's").check()
