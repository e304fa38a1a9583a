"""Whose run a word ends, and for how long it is kept."""

import multiprocessing
from types import SimpleNamespace
from typing import Any

import pytest

from flowgen.interruption import Interrupted
from flowgen.ui.stops import PLACES, Stops
from flowgen.ui.visitors import COOKIE


def request(session: str | None, secret: str | None = None) -> Any:
    return SimpleNamespace(session_hash=session, cookies={} if secret is None else {COOKIE: secret})


def test_a_word_left_while_a_run_waits_ends_it_and_no_later_one() -> None:
    stops, a, b = Stops(), request("a"), request("b")
    stops.ask(a)
    stops.begin(a)
    assert not stops.asked(a)
    stops.ask(a)
    assert stops.asked(a)
    assert not stops.asked(b)
    with pytest.raises(Interrupted):
        stops.check(a)
    stops.begin(a)
    stops.check(a)


def test_a_session_hash_alone_ends_nobodys_run() -> None:
    stops, own = Stops(), request("seen-in-an-address", "secret")
    for forged in (request("seen-in-an-address"), request("seen-in-an-address", "guess"), request(None, "secret")):
        stops.ask(forged)
    assert not stops.asked(own)
    stops.ask(own)
    assert stops.asked(own)


def test_words_take_no_more_and_more_room() -> None:
    stops = Stops()
    for i in range(2 * PLACES):
        stops.ask(request(f"{i}"))
        assert stops.asked(request(f"{i}"))
    assert PLACES // 2 < len(stops) <= PLACES


def test_a_word_reaches_a_run_in_a_process_that_was_forked_before() -> None:
    stops, a = Stops(), request("a")
    fork = multiprocessing.get_context("fork")
    reader, writer = fork.Pipe(duplex=False)
    asked, answer = fork.Pipe(duplex=False)
    run = fork.Process(target=lambda: [answer.send(stops.asked(a)) for _ in range(2) if reader.recv()])
    run.start()
    writer.send("before")
    assert not asked.recv()
    stops.ask(a)
    writer.send("after")
    assert asked.recv()
    run.join()
