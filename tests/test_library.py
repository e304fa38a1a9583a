"""The library: names, lazy loading, the memory budget, and names that are no names."""

from pathlib import Path

import pytest
import torch

import flowgen
from flowgen.checkpoint import Meta, build, save_checkpoint
from flowgen.errors import FlowgenError
from flowgen.library import Library, checkpoint_directory, find

META = Meta("glow", {"depth": 1, "hidden": 4}, (1, 8, 8))


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("one", "two", "three"):
        save_checkpoint(tmp_path / f"{name}.safetensors", build(META), META)  # type: ignore[arg-type]
    monkeypatch.setenv("FLOWGEN_CHECKPOINTS", str(tmp_path))
    return tmp_path


def test_names_are_sorted(directory: Path) -> None:
    assert flowgen.names() == Library().names() == ["one", "three", "two"]


def test_load_by_name_and_by_path(directory: Path) -> None:
    x = torch.rand(2, 1, 8, 8)
    by_name, by_path = flowgen.load("one", "cpu"), flowgen.load(str(directory / "one.safetensors"), "cpu")
    assert torch.equal(by_name.log_prob(x), by_path.log_prob(x))
    assert flowgen.describe("one").recipe == "glow"


@pytest.mark.parametrize("name", ["four", "../one", "", "x" * 5000])
def test_an_unknown_name(directory: Path, name: str) -> None:
    with pytest.raises(FlowgenError, match="one, three, two") as caught:
        flowgen.load(name)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("name", ["hf:owner", "hf:owner/repo", "hf://x", "hf:a/b/c/d", "hf:a/b/c@", "hf:a/b@v1"])
def test_a_hub_name_that_is_none(name: str) -> None:
    with pytest.raises(FlowgenError, match="hf:<owner>/<repo>/<name>"):
        find(name)


def test_the_hub_out_of_reach(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(FlowgenError, match="the Hub cannot be reached"):
        find("hf:owner/repo/name")


def test_a_visitor_cannot_name_a_path(directory: Path) -> None:
    library = Library()
    for name in (str(directory / "one.safetensors"), "hf:owner/repo/name", "../one"):
        with pytest.raises(FlowgenError, match="There is no model"):
            library.load(name)
        with pytest.raises(FlowgenError, match="There is no model"):
            library.describe(name)


def test_a_loaded_model_is_kept(directory: Path) -> None:
    library = Library()
    assert library.load("one") is library.load("one")


def test_a_file_that_has_changed_is_loaded_anew(directory: Path) -> None:
    library = Library()
    before = library.load("one")
    (directory / "one.safetensors").write_bytes((directory / "two.safetensors").read_bytes())
    after = library.load("one")
    assert after is not before
    assert library.load("one") is after


def test_the_least_recently_used_goes_first(directory: Path) -> None:
    weights = sum(v.numel() * v.element_size() for v in build(META).state_dict().values())  # type: ignore[attr-defined]
    library = Library(memory_budget=2 * weights)
    one, two = library.load("one"), library.load("two")
    assert library.load("one") is one
    library.load("three")
    assert library.load("one") is one
    assert library.load("two") is not two


def test_one_model_stays_whatever_the_budget(directory: Path) -> None:
    library = Library(memory_budget=0)
    assert library.load("one") is library.load("one")


def test_the_directory_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLOWGEN_CHECKPOINTS", raising=False)
    assert checkpoint_directory().name == "checkpoints"
