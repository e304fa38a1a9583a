"""Checkpoints: what is written comes back, and what is no checkpoint is refused with a sentence."""

import dataclasses
import json
import pickle
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from flowgen.checkpoint import (
    FORMAT,
    Meta,
    build,
    load,
    read_directions,
    read_meta,
    resolve_device,
    rewrite_meta,
    save_checkpoint,
    save_directions,
    write_atomically,
)
from flowgen.errors import FlowgenError

META = Meta("glow", {"depth": 1, "hidden": 4}, (1, 8, 8), dataset="mnist", class_names=("0", "1"), steps=7)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.safetensors"
    save_checkpoint(path, build(META), META)  # type: ignore[arg-type]
    return path


def test_the_description_comes_back(path: Path) -> None:
    assert read_meta(path) == dataclasses.replace(META, name="tiny")


def test_a_new_description_leaves_the_weights(path: Path) -> None:
    before = load(path, "cpu").state_dict()  # type: ignore[attr-defined]
    rewrite_meta(path, dataclasses.replace(META, bits_per_dim=1.5, quantiles=(1.0, 2.0)))
    after = load(path, "cpu").state_dict()  # type: ignore[attr-defined]
    assert read_meta(path).bits_per_dim == 1.5
    assert read_meta(path).quantiles == (1.0, 2.0)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_attributes_lie_beside_the_weights_and_outlive_a_new_description(path: Path) -> None:
    before = load(path, "cpu").state_dict()  # type: ignore[attr-defined]
    with pytest.raises(FlowgenError, match="knows no attributes"):
        read_directions(path)
    save_directions(path, ["Smiling", "Bald"], torch.zeros(2, 64))
    directions = torch.randn(1, 64)
    save_directions(path, ["Smiling"], directions)
    rewrite_meta(path, dataclasses.replace(read_meta(path), bits_per_dim=1.5))
    assert read_meta(path).attributes == ("Smiling",)
    assert torch.equal(read_directions(path), directions)
    after = load(path, "cpu").state_dict()  # type: ignore[attr-defined]
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_directions_of_another_size_are_refused(path: Path) -> None:
    with pytest.raises(FlowgenError, match=r"\(1, 63\) do not fit 1 attributes of tiny, whose noise has 64"):
        save_directions(path, ["Smiling"], torch.zeros(1, 63))
    rewrite_meta(path, dataclasses.replace(META, attributes=("Smiling",)))  # which the file does not hold
    with pytest.raises(FlowgenError, match="damaged: its attributes do not fit"):
        read_directions(path)


def test_loaded_parameters_want_no_gradient(path: Path) -> None:
    assert not any(p.requires_grad for p in load(path, "cpu").parameters())  # type: ignore[attr-defined]


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FlowgenError, match="no checkpoint 'none'"):
        load(tmp_path / "none.safetensors")


@pytest.mark.parametrize(
    "content", [b"", b"\x08", b"not a checkpoint at all", struct.pack("<Q", 2**60) + b"{}", b"\x00" * 64]
)
def test_what_is_no_safetensors(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    with pytest.raises(FlowgenError, match="damaged, or no safetensors"):
        load(path)


def test_a_pickle_is_never_opened(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[object, ...]]:
            return (Path.touch, (tmp_path / "sprung",))

    path = tmp_path / "posing.safetensors"
    path.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(FlowgenError, match="Pickles are never opened"):
        load(path)
    assert not (tmp_path / "sprung").exists()


def test_a_cut_off_file(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(FlowgenError, match="fetch it again"):
        load(path)


def test_foreign_safetensors(tmp_path: Path) -> None:
    path = tmp_path / "foreign.safetensors"
    save_file({"weight": torch.zeros(2)}, path)
    with pytest.raises(FlowgenError, match="no FlowGen model"):
        load(path)


def test_a_newer_format(path: Path) -> None:
    rewrite_meta(path, dataclasses.replace(META, format=FORMAT + 1))
    with pytest.raises(FlowgenError, match="update flowgen"):
        load(path)


def test_an_unknown_recipe(path: Path) -> None:
    rewrite_meta(path, dataclasses.replace(META, recipe="diffusion"))
    with pytest.raises(FlowgenError, match="'diffusion'"):
        load(path)


def test_an_unknown_hyperparameter(path: Path) -> None:
    rewrite_meta(path, dataclasses.replace(META, hyperparameters={"wings": 2}))
    with pytest.raises(FlowgenError, match="wings"):
        load(path)


@pytest.mark.parametrize("hyperparameters", [{"hidden": "many"}, {"depth": -1}, {"hidden": 0}, {"alpha": 7}])
def test_an_impossible_hyperparameter(path: Path, hyperparameters: dict[str, object]) -> None:
    rewrite_meta(path, dataclasses.replace(META, hyperparameters=hyperparameters))
    with pytest.raises(FlowgenError, match="it must be a"):
        load(path)


def test_weights_that_do_not_fit(path: Path) -> None:
    rewrite_meta(path, dataclasses.replace(META, hyperparameters={"hidden": 8}))
    with pytest.raises(FlowgenError, match="fetch it again"):
        load(path)


@pytest.mark.parametrize("text", ["{", "[]", json.dumps({"format": FORMAT}), json.dumps({"format": "new"})])
def test_a_description_that_cannot_be_read(text: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.safetensors"
    save_file({"weight": torch.zeros(2)}, path, metadata={"flowgen": text})
    with pytest.raises(FlowgenError, match="cannot be read"):
        load(path)


def test_devices() -> None:
    assert resolve_device("cpu") == torch.device("cpu")
    with pytest.raises(FlowgenError, match="choose auto, cpu or cuda"):
        resolve_device("abacus")
    if not torch.cuda.is_available():
        assert resolve_device("auto") == torch.device("cpu")
        with pytest.raises(FlowgenError, match="cuda"):
            resolve_device("cuda")


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "directory"
    target.mkdir()
    with pytest.raises(FlowgenError, match="could not be written"):
        write_atomically(target, b"content")
    assert list(tmp_path.iterdir()) == [target]
