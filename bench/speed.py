"""How fast the studio is on this machine, for each committed model: what it prints stands beside the machine's name.

    python bench/speed.py [--threads 2] [--repeats 5]

It starts `python app.py` and waits for the page, then times models in this process. Times are medians; what else runs
on the machine goes into them, so run it on a quiet one.
"""

import argparse
import os
import platform
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import URLError

import psutil
import torch

import flowgen
from flowgen.inference import complete, methods_of

ROOT = Path(__file__).resolve().parent.parent
BATCH = 64


def main() -> None:
    """Print everything."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--threads", type=int, default=torch.get_num_threads(), help="CPU threads")
    arguments.add_argument("--repeats", type=int, default=5, help="repeats of each timing, of which the median counts")
    chosen = arguments.parse_args()
    torch.set_num_threads(chosen.threads)
    print(machine(), flush=True)
    seconds, mebibytes = serve()
    print(f"python app.py to a served page: {seconds:.1f} s, {mebibytes:.0f} MB resident", flush=True)
    print(f"{'model':24}{'64 samples':>12}{'samples/s':>12}{'log_prob/s':>12}{'a hole filled in':>32}")
    for name in flowgen.names():
        print(f"{name:24}" + row(flowgen.load(name, device="cpu"), chosen.repeats), flush=True)
    print(f"this process: {resident(os.getpid()):.0f} MB resident")


def machine() -> str:
    """What the figures are of."""
    load = os.getloadavg()[0]
    return (
        f"{processor()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, load {load:.1f}; "
        f"Python {platform.python_version()}, torch {torch.__version__}"
    )


def processor() -> str:
    """The processor's name, as far as the system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def serve() -> tuple[float, float]:
    """Seconds from `python app.py` to its page, and the process's resident memory in MB then."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"GRADIO_SERVER_PORT": str(port), "GRADIO_ANALYTICS_ENABLED": "False"}
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "app.py"], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while not answers(f"http://127.0.0.1:{port}/"):
            if process.poll() is not None or time.perf_counter() - start > 300:
                raise SystemExit("python app.py did not serve a page; run it by itself to see why.")
            time.sleep(0.05)
        return time.perf_counter() - start, resident(process.pid)
    finally:
        process.terminate()
        process.wait()


def answers(address: str) -> bool:
    """Whether a page is served there."""
    try:
        with urllib.request.urlopen(address, timeout=10) as response:
            return bool(response.status == 200)
    except (URLError, ConnectionError, TimeoutError):
        return False


def resident(pid: int) -> float:
    """A process's resident memory in MB."""
    return float(psutil.Process(pid).memory_info().rss / 1e6)


def row(model: Any, repeats: int) -> str:
    """The figures of one model."""
    frozen = model.frozen()
    with torch.inference_mode():
        x = frozen.sample(BATCH, seed=0)
        sampling = median(lambda: frozen.sample(BATCH, seed=0), repeats)
        scoring = median(lambda: frozen.log_prob(x.clamp(1e-4, 1 - 1e-4)), repeats)
    figures = f"{sampling:10.2f} s{BATCH / sampling:12.0f}{BATCH / scoring:12.0f}"
    by_gradient = "gradient_ascent" in methods_of(model)
    method, told = ("gradient_ascent", "100 gradient steps") if by_gradient else ("raster_smc", "64 particles")
    return figures + f"{told:>20}{median(lambda: fill(model, x[0], method), min(repeats, 3)):10.2f} s"


def fill(model: Any, image: torch.Tensor, method: str) -> None:
    """Fill in the middle of one image, once: by 100 steps with their search for a start, or by a step a row."""
    known = torch.ones(image.shape[1:], dtype=torch.bool)
    known[known.shape[0] // 4 : -known.shape[0] // 4, known.shape[1] // 4 : -known.shape[1] // 4] = False
    levels = flowgen.to_bytes(image)
    for _ in complete(model, levels, known, method=method, num=1, steps=100, seed=0):
        continue


def median(work: Callable[[], object], repeats: int) -> float:
    """The median seconds that it takes, after once unmeasured."""
    times = []
    work()
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


if __name__ == "__main__":
    main()
