"""Calling every endpoint of a running studio, as a stranger would, and looking at what it answers."""

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import build_opener

from PIL import Image, ImageDraw

from flowgen.errors import FlowgenError

__all__ = ["Probe", "probes"]

SIDE = 28
PATHS = ("/", "/ready")  # the page, and whether it can serve
SMALL = {"num": 1, "frames": 3, "steps": 2, "temperature": 0.8, "seed": 0, "path": "spherical", "label": None}


@dataclass(frozen=True)
class Probe:
    """What became of a call.

    Args:
        endpoint: its name, or the path.
        passed: whether it answered, with files that are pictures where it gives files.
        seconds: that it took.
        said: what came back, or why not, in a few words.
    """

    endpoint: str
    passed: bool
    seconds: float
    said: str


def probes(url: str, timeout: float) -> Iterator[Probe]:
    """Ask a studio for its page, whether it is ready, and for what each of its endpoints gives.

    Args:
        url: its address.
        timeout: most seconds an endpoint may take.

    Raises:
        FlowgenError: if no studio answers there, or it has no model.
    """
    from gradio_client import Client

    with tempfile.TemporaryDirectory() as folder:
        try:
            client = Client(url, verbose=False, download_files=folder)
        except Exception as error:  # whatever the address may turn out to be
            raise FlowgenError(f"No studio answers at {url!r} ({type(error).__name__}).") from None
        try:
            for path in PATHS:
                yield _get(url.rstrip("/"), path, timeout)
            endpoints = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
            models = _models(client)
            given = SMALL | _pictures(Path(folder)) | {"model": models[0]["name"]}
            edited = _what_to_edit(models)
            for name, endpoint in endpoints.items():
                if name == "/edit" and not edited:  # a studio without such a model is in order
                    continue
                asked = [parameter["parameter_name"] for parameter in endpoint["parameters"]]
                values = given | edited if name == "/edit" else given
                yield _call(client, name, {key: values[key] for key in asked if key in values}, timeout)
        finally:
            client.close()


def _get(url: str, path: str, timeout: float) -> Probe:
    started = time.monotonic()
    try:
        with build_opener().open(url + path, timeout=timeout) as answer:
            passed, said = True, f"{len(answer.read()):,} bytes"
    except OSError as error:  # a status of 400 and more is one, too
        passed, said = False, str(error)
    return Probe(path, passed, time.monotonic() - started, said)


def _models(client: Any) -> list[dict[str, Any]]:
    """The models to ask, by /models itself; at least one."""
    try:
        models: list[dict[str, Any]] = client.predict(api_name="/models")
        models[0]["name"]
        return models
    except Exception as error:
        raise FlowgenError(f"The studio names no model ({type(error).__name__}).") from None


def _what_to_edit(models: list[dict[str, Any]]) -> dict[str, Any]:
    """A model that knows attributes, and an amount of the first of them; nothing, if none does."""
    for model in models:
        if model.get("attributes"):
            return {"model": model["name"], "amounts": {model["attributes"][0]: 1.0}}
    return {}


def _pictures(folder: Path) -> dict[str, Any]:
    """Two strokes to walk between, one of them to score or to fill in, and a mask for its lower half."""
    from gradio_client import handle_file

    pictures = {}
    for name, box in (("start", (9, 6, 18, 21)), ("end", (13, 5, 15, 22)), ("mask", (0, 14, 27, 27))):
        picture = Image.new("L", (SIDE, SIDE))
        ImageDraw.Draw(picture).rectangle(box, fill=255 if name == "mask" else None, outline=255)
        picture.save(folder / f"{name}.png")
        pictures[name] = handle_file(folder / f"{name}.png")
    return pictures | {"image": pictures["start"]}


def _call(client: Any, endpoint: str, arguments: dict[str, Any], timeout: float) -> Probe:
    started = time.monotonic()
    try:
        answer = client.submit(**arguments, api_name=endpoint).result(timeout=timeout)
        passed, said = True, _described(answer)
    except TimeoutError:
        passed, said = False, f"no answer within {timeout:g} s"
    except Exception as error:  # the studio's refusal, or whatever it is that answers there
        passed, said = False, f"{type(error).__name__}: {error}"
    return Probe(endpoint, passed, time.monotonic() - started, said.replace("\n", " ")[:200])


def _described(answer: Any) -> str:
    """How many pictures came, each opened to the last pixel; otherwise what kind of answer it is."""
    files = _files(answer)
    for file in files:
        with Image.open(file) as picture:
            picture.load()
    if files:
        return f"{len(files)} pictures"
    return f"{len(answer)} entries" if isinstance(answer, (list, dict)) else "an answer"


def _files(answer: Any) -> list[str]:
    """The files among what came back."""
    if isinstance(answer, (list, tuple)):
        return [file for part in answer for file in _files(part)]
    return [answer] if isinstance(answer, str) and Path(answer).is_file() else []
