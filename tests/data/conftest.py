"""A data root for each test, on a machine without a network, and files that pass for the published ones."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty FLOWGEN_DATA; nothing can be downloaded, for every proxy is a port at which nobody listens."""
    monkeypatch.setenv("FLOWGEN_DATA", str(tmp_path))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    return tmp_path


@pytest.fixture
def publish(root: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, str], str, bytes], Path]:
    """Write a file under the root, and make its checksum the published one in the given table."""

    def write(md5: dict[str, str], name: str, content: bytes) -> Path:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        monkeypatch.setitem(md5, path.name, hashlib.md5(content).hexdigest())
        return path

    return write
