"""A visitor who speaks HTTP without a browser or a client library: what an attacker is, and what a stopwatch needs."""

import base64
import json
import secrets
import time
from collections.abc import Iterator
from typing import Any

import httpx

__all__ = ["Visitor", "box"]

PATIENCE = 120.0


class Visitor:
    """One session of the page's.

    Args:
        studio: its address.
        session: the session hash; an attacker may have somebody else's.
    """

    def __init__(self, studio: str, session: str | None = None) -> None:
        self.studio, self.session = studio, session or secrets.token_hex(6)
        self.http = httpx.Client(base_url=studio, trust_env=False, timeout=PATIENCE)
        self.config = self.http.get("/config").json()

    def __enter__(self) -> "Visitor":
        self.http.get("/")  # as a browser does, which gets its cookie here
        return self

    def __exit__(self, *details: object) -> None:
        self.http.close()

    def functions(self) -> dict[str, dict[str, Any]]:
        """Whatever can be called, the page's private events as well, by name."""
        return {each["api_name"]: each for each in self.config["dependencies"] if each["backend_fn"]}

    def defaults(self, name: str) -> list[Any]:
        """What the page would send before anything is touched."""
        values = {each["id"]: each.get("props", {}).get("value") for each in self.config["components"]}
        return [values.get(each) for each in self.functions()[name]["inputs"]]

    def join(self, name: str, data: list[Any]) -> httpx.Response:
        """Ask for a function."""
        body = {"data": data, "fn_index": self.functions()[name]["id"], "session_hash": self.session}
        content = json.dumps(body).encode()  # which writes NaN and Infinity as JavaScript would read them
        return self.http.post("/gradio_api/queue/join", content=content, headers={"content-type": "application/json"})

    def messages(self) -> Iterator[dict[str, Any]]:
        """What the server says to this session, until it has nothing more to say."""
        with self.http.stream("GET", "/gradio_api/queue/data", params={"session_hash": self.session}) as stream:
            for line in stream.iter_lines():
                if line.startswith("data:"):
                    message = json.loads(line[5:])
                    if message["msg"] == "close_stream":
                        return
                    yield message

    def ask(self, name: str, data: list[Any]) -> dict[str, Any]:
        """Ask and wait for the end: the last message, or the refusal."""
        response = self.join(name, data)
        if response.status_code != 200:
            return {"msg": "refused", "status": response.status_code, "detail": response.json()["detail"]}
        *_, last = self.messages()
        return last

    def seconds_to_begin(self, name: str, data: list[Any]) -> float:
        """How long a request waits before it is begun."""
        asked = time.monotonic()
        assert self.join(name, data).status_code == 200
        for message in self.messages():
            if message["msg"] == "process_starts":
                return time.monotonic() - asked
        raise AssertionError("it was not begun")


def box(picture: bytes, hidden_rows: range = range(8, 20), side: int = 28) -> dict[str, Any]:
    """A picture box of the page with a picture, as PNG, and a hole of whole rows."""
    mask = "".join("1" if row in hidden_rows else "0" for row in range(side) for _ in range(side))
    url = "data:image/png;base64," + base64.b64encode(picture).decode()
    return {"picture": url, "mask": mask, "file": None, "caption": ""}
