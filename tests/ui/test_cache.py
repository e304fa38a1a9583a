"""The folder of uploads and results stays small, whoever left files there."""

import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from flowgen.ui.cache import make_room, most_bytes, own_folder
from flowgen.ui.limits import LIMITS
from flowgen.ui.tidying import forget

MEGABYTE = 2**20


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "files"))
    return tmp_path / "files"


def put(folder: Path, name: str, megabytes: int, age: float = 0.0) -> Path:
    """A file as Gradio leaves it, in a folder of its own, so many seconds ago."""
    path = folder / f"hash-of-{name}" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(bytes(megabytes * MEGABYTE))
    os.utime(path, (time.time() - age,) * 2)
    return path


def test_the_oldest_go_until_an_upload_more_has_room(folder: Path) -> None:
    for i in range(6):
        put(folder, f"{i}.png", 10)
        time.sleep(0.02)  # the time of a change is the system's to set
    make_room(most=(30 + LIMITS.upload_megabytes) * MEGABYTE)
    assert sorted(path.name for path in folder.glob("*/*.png")) == ["3.png", "4.png", "5.png"]
    assert len(list(folder.iterdir())) == 3, "their folders go with them"


def test_there_may_be_only_so_many_however_small(folder: Path) -> None:
    for i in range(5):
        put(folder, f"{i}.png", 0)
        time.sleep(0.02)
    make_room(most_files=2)
    assert sorted(path.name for path in folder.glob("*/*.png")) == ["3.png", "4.png"]


def test_what_is_too_old_goes_even_if_there_is_room(folder: Path) -> None:
    old = put(folder, "left behind.png", 1)
    time.sleep(0.3)
    new = put(folder, "new.png", 1)
    make_room(seconds=0.2)
    assert not old.exists()
    assert new.exists()


def test_a_link_goes_and_what_it_leads_to_stays(folder: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious.png"
    precious.write_bytes(b"mine")
    folder.mkdir()
    (folder / "link.png").symlink_to(precious)
    (folder / "elsewhere").symlink_to(tmp_path)
    make_room(seconds=-1)
    assert list(folder.iterdir()) == []
    assert precious.read_bytes() == b"mine"


def test_there_is_no_folder_yet(folder: Path) -> None:
    make_room()
    assert not folder.exists()


def test_a_folder_of_our_own_unless_another_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", "/elsewhere")
    own_folder()
    assert os.environ["GRADIO_TEMP_DIR"] == "/elsewhere"
    monkeypatch.delenv("GRADIO_TEMP_DIR")
    own_folder()
    assert Path(os.environ["GRADIO_TEMP_DIR"]).name == "flowgen"
    assert most_bytes() < 4 * 2**30


def test_what_gradio_keeps_of_what_is_over_is_forgotten(folder: Path) -> None:
    kept, gone = put(folder, "kept.png", 0), folder / "gone.png"
    page: Any = SimpleNamespace(
        temp_file_sets=[{str(kept), str(gone)}],
        _queue=SimpleNamespace(
            pending_event_ids_session={"over": set(), "runs": {"1"}, "listens": set()},
            pending_messages_per_session={"runs": 0, "listens": 0},
            event_ids_to_events={"1": 0},
        ),
        server_app=SimpleNamespace(iterators_to_reset={"1", "long ago"}),
    )
    forget(page)
    assert page.temp_file_sets == [{str(kept)}]
    assert page._queue.pending_event_ids_session == {"runs": {"1"}, "listens": set()}
    assert page.server_app.iterators_to_reset == {"1"}
