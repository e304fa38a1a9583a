"""Visitors for bench/load.py, as locust runs them: they look at the page, upload, draw, score, walk and fill in.

Every one is honest: it waits for each answer and thinks before the next request. That the queue is full is an answer
like others, counted by itself; anything else but a result is an error.
"""

import io
import json
import random
import time
from typing import Any

import numpy as np
from locust import HttpUser, between, events, tag, task
from PIL import Image

FULL = "queue is full"
MODELS = ["gated_pixelcnn-mnist", "pixelcnn-mnist", "glow-mnist", "realnvp-mnist", "nice-mnist"]
FLOWS = MODELS[2:]


def png(pixels: np.ndarray) -> bytes:
    """A gray picture as a file."""
    file = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def stroke(seed: int) -> bytes:
    """A slanted stroke on black, of each seed another."""
    row, column = np.mgrid[:28, :28]
    slope, middle = np.random.default_rng(seed).uniform((-0.6, 10), (0.6, 18))
    on_stroke = (np.abs(column - middle - slope * (row - 14)) < 2) & (row > 4) & (row < 24)
    return png(255 * on_stroke)


@events.user_error.add_listener
def count(user_instance: HttpUser, exception: Exception, **_: Any) -> None:
    """A visitor whose request broke off is an error as any other."""
    user_instance.environment.events.request.fire(
        request_type="ask", name="broken off", response_time=0, response_length=0, exception=exception, context={}
    )


class Visitor(HttpUser):
    """Someone with a browser or a program."""

    wait_time = between(1, 3)

    def on_start(self) -> None:
        """Upload a picture and a mask."""
        row = np.mgrid[:28, :28][0]
        self.picture = self.upload(stroke(random.randrange(10**6)))
        self.mask = self.upload(png(255 * (row > 19)))

    def upload(self, content: bytes) -> Any:
        """A file as Gradio describes it once it is uploaded."""
        answer = self.client.post("/gradio_api/upload", files={"files": ("digit.png", content)}, name="upload")
        return {"path": answer.json()[0], "meta": {"_type": "gradio.FileData"}}

    def ask(self, name: str, data: list[Any]) -> None:
        """Call an endpoint and wait for its answer."""
        started = time.perf_counter()
        with self.client.post(
            f"/gradio_api/call/{name}", json={"data": data}, name="join", catch_response=True
        ) as joined:
            if joined.status_code == 503 and "Queue is full" in joined.text:
                joined.success()
                self.tell(FULL, started, None)
                return
            if joined.status_code != 200:
                joined.failure(f"{name}: {joined.status_code} {joined.text[:200]}")
                return
        event = joined.json()["event_id"]
        answer = self.client.get(f"/gradio_api/call/{name}/{event}", name="answer", stream=True, timeout=600)
        lines = [line.decode() for line in answer.iter_lines()]
        ended = "event: complete" in lines
        self.tell(name, started, None if ended else RuntimeError(f"{name}: {json.dumps(lines[-4:])[:300]}"))

    def tell(self, name: str, started: float, error: Exception | None) -> None:
        """Count an answer, with the seconds since it was asked for."""
        self.environment.events.request.fire(
            request_type="ask",
            name=name,
            response_time=1000 * (time.perf_counter() - started),
            response_length=0,
            exception=error,
            context={},
        )

    @tag("sample")
    @task(6)
    def sample(self) -> None:
        """Sixteen digits of any model."""
        self.ask("sample", [random.choice(MODELS), 16, 0.8, random.randrange(10**6), None])

    @task(3)
    def inpaint(self) -> None:
        """The lower rows, by a few steps."""
        picture = self.upload(stroke(random.randrange(10**6)))
        method = [random.choice(FLOWS), picture, self.mask, "langevin", 2, 10]
        self.ask("inpaint", [*method, random.randrange(10**6), None])

    @task(2)
    def score(self) -> None:
        """The picture under every model."""
        self.ask("score", [self.picture])

    @task(1)
    def interpolate(self) -> None:
        """From the picture to itself upside down."""
        self.ask("interpolate", [random.choice(MODELS), self.picture, self.mask, 8, "spherical"])

    @task(2)
    def look(self) -> None:
        """The page itself."""
        self.client.get("/", name="page")
