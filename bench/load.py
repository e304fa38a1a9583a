"""The studio under load: errors, waiting times, memory and files while many visitors use it at once.

    python bench/load.py                                   # 50 visitors for 3 minutes
    python bench/load.py --users 8 --only sample           # the 95th percentile of a 16-digit sample
    python bench/load.py --paint                           # how soon the page is painted, by Chromium

It starts `python app.py` on a free port of 127.0.0.1, lets locust's visitors (bench/visitors.py) loose on it, and ends
by itself. What else runs on the machine goes into the figures, so run it on a quiet one. Exit code 1 if a request
failed otherwise than by a full queue.
"""

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import URLError

import psutil

ROOT = Path(__file__).resolve().parent.parent
FULL = "queue is full"
FLAGS = ["--no-sandbox", "--disable-gpu", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
MEGABYTE = 1e6


@dataclass
class Watch:
    """A server's memory and files, looked at every second.

    Args:
        pid: of the server.
        files: its folder.
    """

    pid: int
    files: Path
    memory: list[float] = field(default_factory=list)
    most_files: float = 0.0

    def look(self) -> None:
        """Once."""
        self.memory.append(psutil.Process(self.pid).memory_info().rss / MEGABYTE)
        sizes = [path.stat().st_size for path in self.files.rglob("*") if path.is_file()]
        self.most_files = max(self.most_files, sum(sizes) / MEGABYTE)

    def growth(self) -> float:
        """Of the last minute, or of the second half of a shorter run, as a share."""
        span = min(60, len(self.memory) // 2)
        around = max(1, span // 6)
        before = statistics.mean(self.memory[-span - around : -span] or self.memory[:1])
        return statistics.mean(self.memory[-around:]) / before - 1


def main() -> None:
    """Start, load, print, end."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--users", type=int, default=50, help="visitors at a time")
    arguments.add_argument("--seconds", type=int, default=180, help="how long")
    arguments.add_argument("--only", help="the one thing that they do: sample")
    arguments.add_argument("--paint", action="store_true", help="time the page's first paint instead")
    chosen = arguments.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before it began", flush=True)
    with tempfile.TemporaryDirectory() as folder, serve(Path(folder)) as (address, watch):
        if chosen.paint:
            print(painted(address))
            return
        stats = loaded(address, watch, chosen.users, chosen.seconds, chosen.only)
    errors = table(stats, watch)
    sys.exit(1 if errors else 0)


@contextmanager
def serve(folder: Path) -> Iterator[tuple[str, Watch]]:
    """Run app.py over the committed models, warm."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"GRADIO_SERVER_PORT": str(port), "GRADIO_TEMP_DIR": str(folder / "files")}
    with (folder / "log.txt").open("w") as log:
        server = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment, stdout=log, stderr=log)
        try:
            address = f"http://127.0.0.1:{port}"
            wait_for(f"{address}/ready", server)
            yield address, Watch(server.pid, folder / "files")
        finally:
            server.terminate()
            server.wait(30)


def wait_for(address: str, server: "subprocess.Popen[bytes]") -> None:
    """Until the server is ready."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=10):
                return
        except (URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    raise SystemExit("python app.py did not serve; run it by itself to see why.")


def loaded(address: str, watch: Watch, users: int, seconds: int, only: str | None) -> list[dict[str, Any]]:
    """Locust's statistics of a run, a row a name; it is a process of its own, since it patches what it imports."""
    command = [sys.executable, "-m", "locust", "--locustfile", str(Path(__file__).with_name("visitors.py")),
               "--headless", "--host", address, "--users", str(users), "--spawn-rate", str(max(1, users // 5)),
               "--run-time", f"{seconds}s", "--stop-timeout", "120", "--json", "--loglevel", "CRITICAL",
               "--exit-code-on-error", "0"]  # fmt: skip
    command += ["--tags", only] if only else []
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as locust:
        said: list[str] = []
        assert locust.stdout is not None
        reading = threading.Thread(target=lambda: said.append(locust.stdout.read()))  # type: ignore[union-attr]
        reading.start()
        while locust.poll() is None:
            watch.look()
            time.sleep(1)
        reading.join()
    rows: list[dict[str, Any]] = json.loads(said[0])
    return rows


def percentile(row: dict[str, Any], share: float) -> float:
    """Of a row's answers, in seconds; locust counts them by rounded milliseconds."""
    left = share * sum(row["response_times"].values())
    for milliseconds, number in sorted((float(key), number) for key, number in row["response_times"].items()):
        left -= number
        if left <= 0:
            return milliseconds / 1000
    return float("nan")


def table(stats: list[dict[str, Any]], watch: Watch) -> int:
    """Print what was measured; how many requests failed."""
    print(f"{'':16}{'answers':>9}{'errors':>8}{'median':>10}{'95th percentile':>18}")
    for row in sorted(stats, key=lambda row: str(row["name"])):
        times = f"{percentile(row, 0.5):8.2f} s{percentile(row, 0.95):16.2f} s"
        print(f"{row['name']:16}{row['num_requests']:9}{row['num_failures']:8}{times}")
    errors = sum(int(row["num_failures"]) for row in stats)
    full = sum(int(row["num_requests"]) for row in stats if row["name"] == FULL)
    print(f"{errors} errors, {full} times the queue was full")
    print(
        f"memory {watch.memory[0]:.0f} MB at first, {max(watch.memory):.0f} at most, {watch.memory[-1]:.0f} at last; "
        f"{100 * watch.growth():+.1f} % in the last minute; files {watch.most_files:.1f} MB at most"
    )
    return errors


def painted(address: str) -> str:
    """How soon Chromium paints the page, and how soon it can be used: medians of five visits by a new browser each."""
    from playwright.sync_api import sync_playwright

    first, usable = [], []
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_playwright() as playwright:
        for _ in range(5):
            browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
            page = browser.new_page()
            started = time.perf_counter()
            page.goto(address)
            page.wait_for_selector("#generate-run")
            usable.append(time.perf_counter() - started)
            paint = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"
            page.wait_for_function(f"({paint}) !== null")
            first.append(page.evaluate(paint) / 1000)
            browser.close()
    return f"first paint {statistics.median(first):.2f} s, usable after {statistics.median(usable):.2f} s"


if __name__ == "__main__":
    main()
