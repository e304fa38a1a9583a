"""A studio over small models, served by app.py in a process of its own, and a browser to visit it with."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch
from playwright.sync_api import Browser, BrowserType, ConsoleMessage, Page, Request, sync_playwright

from flowgen.checkpoint import Meta, save_checkpoint, save_directions
from flowgen.data import Images
from flowgen.data.pictures import from_levels
from flowgen.evaluation import evaluate
from flowgen.models import MODELS

ROOT = Path(__file__).parent.parent.parent
PATIENCE = 120_000  # milliseconds; software rendering beside other work is slow
FLAGS = ["--no-sandbox", "--disable-gpu", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
DESKTOP, PHONE = (1440, 1000), (390, 844)

# What Gradio says of the requests that a page had open when it was left, before the next page is there or after.
LEFT = re.compile(r"^AbortError: signal is aborted|Connection errored out")

Visit = Callable[..., Page]


@contextmanager
def serve(checkpoints: Path, log: Path, app: Path = ROOT / "app.py") -> Iterator[str]:
    """Run app.py, or a copy of it, over a folder of checkpoints; give its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "FLOWGEN_CHECKPOINTS": str(checkpoints),
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_TEMP_DIR": str(log.parent / "served"),
        "NO_PROXY": "127.0.0.1",
        "PYTHONPATH": os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(ROOT)])),
    }
    with log.open("w") as output:
        server = subprocess.Popen([sys.executable, str(app)], cwd=ROOT, env=environment, stdout=output, stderr=output)
        try:
            address = f"http://127.0.0.1:{port}"
            _wait_for(address, server, log)
            yield address
        finally:
            server.terminate()
            server.wait(30)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of app.py with a Spacefile of its own."""
    folder = tmp_path_factory.mktemp("app")
    for name in ("app.py", "Spacefile"):
        shutil.copy(ROOT / name, folder)
    return folder / "app.py"


def change(app: Path, old: str, new: str) -> None:
    """Put something else into the Spacefile beside a copy of app.py."""
    spacefile = app.with_name("Spacefile")
    text = spacefile.read_text(encoding="utf-8")
    assert text.count(old) == 1
    spacefile.write_text(text.replace(old, new), encoding="utf-8")


def _wait_for(address: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 3 * PATIENCE / 1000
    while time.monotonic() < deadline and server.poll() is None:
        try:
            httpx.get(address, trust_env=False)
            return
        except httpx.TransportError:
            time.sleep(0.2)
    pytest.fail(f"the studio did not start: {log.read_text()}")


def launch_chromium(chromium: BrowserType, *flags: str) -> Browser:
    """The system's Chromium where there is one, else Playwright's own."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    return chromium.launch(executable_path=found, args=[*FLAGS, *flags])


def _save_small_model(path: Path, recipe: str, images: Images, **hyperparameters: Any) -> None:
    torch.manual_seed(0)
    small = MODELS[recipe](**hyperparameters)
    model = small.build(images.event_shape)
    model.initialize((images.levels[:32] + 0.5) / 256)
    scores = evaluate(model.frozen(), images.levels[:32])
    meta = Meta(
        recipe, asdict(small), images.event_shape, dataset="mnist", bits_per_dim=scores.bits_per_dim,
        protocol="32 images", quantiles=scores.quantiles, class_names=images.class_names,
    )  # fmt: skip
    save_checkpoint(path, model, meta)


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory, mnist: Images, cifar10: Images) -> Path:
    """Three models, untrained and quick: gray, colour (which knows two attributes), and one that draws in order; and a
    file that is no model.
    """
    folder = tmp_path_factory.mktemp("checkpoints")
    _save_small_model(folder / "gray.safetensors", "realnvp", mnist, hidden=8, blocks=1)
    _save_small_model(folder / "colour.safetensors", "nice", cifar10, hidden=8, blocks=1, couplings=2)
    directions = torch.randn(2, 3072, generator=torch.Generator().manual_seed(0)) / 10
    save_directions(folder / "colour.safetensors", ["Smiling", "Blond_Hair"], directions)
    _save_small_model(
        folder / "ordered.safetensors",
        "gated_pixelcnn",
        mnist,
        hidden=16,
        dilations="1 2 1",
        embedding=4,
        num_classes=10,
    )
    (folder / "damaged.safetensors").write_bytes(b"\x80\x04this was a pickle")
    return folder


@pytest.fixture(scope="session")
def studio_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the studio writes down."""
    return tmp_path_factory.mktemp("studio") / "log.txt"


@pytest.fixture(scope="session")
def studio(checkpoints: Path, studio_log: Path) -> Iterator[str]:
    """The address of a studio that, whatever the tests ask of it, logs no traceback and no error that is its own."""
    with serve(checkpoints, studio_log) as address:
        yield address
    assert "Traceback" not in studio_log.read_text()
    assert '"level": "error"' not in studio_log.read_text()


@pytest.fixture(scope="session")
def digit(tmp_path_factory: pytest.TempPathFactory, mnist: Images) -> Path:
    """A seven, 28 x 28, as a PNG."""
    path = tmp_path_factory.mktemp("pictures") / "seven.png"
    from_levels(mnist.levels[0]).save(path)
    return path


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = launch_chromium(playwright.chromium)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Browser, studio: str) -> Iterator[Visit]:
    """Open the studio at a size; errors on the console and requests to other hosts fail the test."""
    complaints: list[str] = []
    contexts = []
    leaving: set[Page] = set()  # a page that is left complains of what it had asked for and will not get

    def open_page(size: tuple[int, int] = DESKTOP, *, dark: bool = False, address: str = "") -> Page:
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, has_touch=size == PHONE, accept_downloads=True
        )
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        page = context.new_page()

        def listen(message: ConsoleMessage) -> None:
            if message.type == "error" and page not in leaving and not LEFT.search(message.text):
                complaints.append(message.text)

        def look(request: Request) -> None:
            if request.is_navigation_request():
                leaving.add(page)
            if _is_foreign(request.url, studio):
                complaints.append(request.url)

        page.on("console", listen)
        page.on("pageerror", lambda error: LEFT.search(str(error)) or complaints.append(str(error)))
        page.on("request", look)
        page.on("framenavigated", lambda frame: leaving.discard(page))
        page.goto(f"{studio}/{address or '?'}&__theme={'dark' if dark else 'light'}")
        page.wait_for_selector(".fg-lead:visible")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def _is_foreign(url: str, studio: str) -> bool:
    return not url.startswith((studio, studio.replace("http", "ws", 1), "data:", "blob:"))
