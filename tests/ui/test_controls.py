"""What the page makes of a registry, of numbers and of values that no page sends."""

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields
from pathlib import Path
from threading import Lock
from typing import Any, Literal

import gradio as gr
import httpx
import pytest
import torch

from flowgen.data import Images
from flowgen.errors import FlowgenError
from flowgen.inference import METHODS
from flowgen.library import Library
from flowgen.ui import TABS, arguments, controls
from flowgen.ui.picture import empty, filled, read_box
from flowgen.ui.scoring import costlier

from .conftest import serve


@pytest.mark.parametrize("name", METHODS)
def test_a_kernels_controls_are_its_fields(name: str) -> None:
    made = controls.hyperparameters(METHODS[name], "x")
    assert list(made) == [spec.name for spec in fields(METHODS[name])]
    for spec in fields(METHODS[name]):
        assert made[spec.name].value == spec.default
        assert made[spec.name].info == spec.metadata["help"]


@dataclass(frozen=True)
class Example:
    whole: int = field(default=3, metadata={"help": "a whole number", "min": 1, "max": 9})
    ratio: float = field(default=0.5, metadata={"help": "a share", "min": 0.0, "max": 1.0})
    tiny: float = field(default=1e-3, metadata={"help": "of many magnitudes", "min": 1e-6, "max": 1.0})
    switch: bool = field(default=True, metadata={"help": "on or off"})
    choice: Literal["this", "that"] = field(default="that", metadata={"help": "one of two"})


def test_a_fields_type_and_range_choose_its_control() -> None:
    made = controls.hyperparameters(Example, "x")
    assert {name: type(control) for name, control in made.items()} == {
        "whole": gr.Slider,
        "ratio": gr.Slider,
        "tiny": gr.Number,
        "switch": gr.Checkbox,
        "choice": gr.Dropdown,
    }
    assert made["choice"].choices == [("this", "this"), ("that", "that")]
    assert (made["whole"].minimum, made["whole"].maximum, made["whole"].step) == (1, 9, 1)
    assert controls.options(Example, {"whole": 4.0, "ratio": 1.0}) == {"whole": 4, "ratio": 1.0}


def test_the_page_stands_without_any_model(tmp_path: Path) -> None:
    with serve(tmp_path, tmp_path / "log.txt") as studio:
        config = httpx.get(f"{studio}/config", trust_env=False).json()
    assert [block["props"]["label"] for block in config["components"] if block["type"] == "tabitem"] == list(TABS)


def test_a_box_gives_back_what_was_put_into_it(mnist: Images) -> None:
    value = filled(mnist.levels[0], 256, "a seven") | {"mask": "1" * 28 + "0" * 27 * 28}
    seen = read_box(value, (1, 28, 28), 256)
    assert torch.equal(seen.levels, mnist.levels[0])
    assert seen.known.sum() == 27 * 28
    assert not seen.known[0].any()


@pytest.mark.parametrize(
    "change",
    [
        {"picture": None},
        {"picture": "https://example.org/x.png"},
        {"picture": "data:image/png;base64,!!!"},
        {"picture": "data:image/png;base64," + "A" * 2_000_000},
        {"mask": "10"},
        {"mask": "2" * 784},
        {"mask": [1]},
    ],
)
def test_a_box_refuses_what_no_page_sends(mnist: Images, change: dict[str, Any]) -> None:
    with pytest.raises(FlowgenError):
        read_box(filled(mnist.levels[0], 256, "") | change, (1, 28, 28), 256)


def test_only_score_whose_models_all_answer_does_not_ask_for_one(studio: str) -> None:
    props = [block["props"] for block in httpx.get(f"{studio}/config", trust_env=False).json()["components"]]
    labels = {each["elem_id"]: each["label"] for each in props if str(each.get("elem_id")).endswith("-model")}
    assert labels == {
        "edit-model": "Model",
        "generate-model": "Model",
        "inpaint-model": "Model",
        "interpolate-model": "Model",
        "score-model": "Sample from",
    }


@pytest.fixture
def library(checkpoints: Path) -> Library:
    return Library(checkpoints, device="cpu")


def test_a_new_model_is_offered_and_a_lost_one_is_not_kept(checkpoints: Path, tmp_path: Path) -> None:
    library = Library(tmp_path, device="cpu")
    assert controls.offered(library, None)["value"] is None
    shutil.copy(checkpoints / "gray.safetensors", tmp_path)
    first = controls.offered(library, None)
    assert (first["value"], first["interactive"]) == ("gray", True)
    shutil.copy(checkpoints / "gray.safetensors", tmp_path / "later.safetensors")
    second = controls.offered(library, "gray")
    assert second["choices"] == ["gray", "later"]
    assert "value" not in second, "what the visitor chose stays"
    (tmp_path / "gray.safetensors").unlink()
    assert controls.offered(library, "gray")["value"] == "later"


@pytest.mark.parametrize("value", [None, 3, "picture", [], {}, empty()])
def test_an_empty_box_asks_for_a_picture(value: Any) -> None:
    with pytest.raises(FlowgenError, match="no picture yet"):
        read_box(value, (1, 28, 28), 256)


def test_the_share_of_costlier_images_follows_the_quantiles() -> None:
    quantiles = [1 + i / 100 for i in range(101)]
    assert costlier(quantiles, 1.25) == pytest.approx(75)
    assert costlier(quantiles, 0.5) == 100
    assert costlier(quantiles, 9) == 0
    assert costlier([], 1.0) is None


def test_however_many_uploads_come_two_are_decoded_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now, most = 0, 0
    lock = Lock()

    def slow(path: Path) -> str:
        nonlocal now, most
        with lock:
            now, most = now + 1, max(most, now + 1)
        time.sleep(0.05)
        with lock:
            now -= 1
        if path.name == "bad":
            raise FlowgenError("This is not a picture.")
        return path.name

    monkeypatch.setattr(arguments, "open_picture", slow)
    meta = {"_type": "gradio.FileData"}

    def look(name: str) -> str:
        try:
            return str(arguments.open_upload("image", {"path": name, "meta": meta}))
        except FlowgenError:
            return "refused"

    with ThreadPoolExecutor(12) as threads:
        seen = list(threads.map(look, ["bad", "good"] * 6))
    assert seen == ["refused", "good"] * 6
    assert most == 2
