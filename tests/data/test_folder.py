"""Any directory of images: its splits, its shapes, and what is wrong with it said by name."""

from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from flowgen.data import ImageFolder
from flowgen.data.pictures import from_levels
from flowgen.errors import FlowgenError


@pytest.fixture
def folder(tmp_path: Path, cifar10_levels: Tensor) -> Path:
    """Twenty photographs, some in directories below, besides things that are none."""
    for i in range(20):
        path = tmp_path / ("a/b" if i < 5 else "c") / f"{i:02d}.{'png' if i % 2 else 'BMP'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        from_levels(cifar10_levels[i]).save(path)
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "c" / "._01.png").write_bytes(b"what a file manager leaves behind")
    return tmp_path


def test_the_last_tenth_of_the_names_is_the_test_split(folder: Path, cifar10_levels: Tensor) -> None:
    images = ImageFolder(str(folder), size=32)
    train, test = images.load("train"), images.load("test")
    assert torch.equal(train.levels, cifar10_levels[:18])
    assert torch.equal(test.levels, cifar10_levels[18:20])
    assert (train.labels, train.class_names, train.horizontal_flips) == (None, (), True)


def test_directories_train_and_test_are_the_splits(folder: Path, cifar10_levels: Tensor) -> None:
    (folder / "a").rename(folder / "test")
    (folder / "c").rename(folder / "train")
    images = ImageFolder(str(folder), size=32)
    assert torch.equal(images.load("test").levels, cifar10_levels[:5])
    assert torch.equal(images.load("train").levels, cifar10_levels[5:20])


def test_two_images_are_one_each(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        Image.new("L", (16, 16), "white").save(tmp_path / name)
    images = ImageFolder(str(tmp_path), size=8, channels=1)
    assert len(images.load("train")) == len(images.load("test")) == 1
    assert images.load("test").levels.min() == 255  # not inverted: a folder may hold gray photographs


def test_crops_the_middle_and_resizes(tmp_path: Path) -> None:
    wide = Image.new("RGB", (90, 30), "blue")
    wide.paste("red", (30, 0, 60, 30))
    for name in ("a.png", "b.png"):
        wide.save(tmp_path / name)
    colour = ImageFolder(str(tmp_path), size=10).load("test")
    assert colour.event_shape == (3, 10, 10)
    assert torch.equal(colour.levels[0, :, 5, 5], torch.tensor([255, 0, 0], dtype=torch.uint8))
    assert colour.levels[0, 2].max() == 0
    assert ImageFolder(str(tmp_path), size=10, channels=1).load("test").event_shape == (1, 10, 10)


def test_an_empty_path_is_the_data_root(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWGEN_DATA", str(folder))
    assert len(ImageFolder(size=8).load("train")) == 18


def test_says_which_image_is_damaged(folder: Path) -> None:
    (folder / "c" / "07.png").write_bytes((folder / "c" / "07.png").read_bytes()[:200])
    with pytest.raises(FlowgenError, match=r"07\.png: The picture is damaged or cut off"):
        ImageFolder(str(folder), size=8).load("train")


def test_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FlowgenError, match="is no directory"):
        ImageFolder(str(tmp_path / "nowhere")).load("train")
    with pytest.raises(FlowgenError, match=r"holds no images .*\.png"):
        ImageFolder(str(tmp_path)).load("train")
    Image.new("L", (16, 16)).save(tmp_path / "only.png")
    with pytest.raises(FlowgenError, match="holds one image"):
        ImageFolder(str(tmp_path)).load("test")


@pytest.mark.parametrize(("wrong", "sentence"), [({"channels": 2}, "channels is 2"), ({"size": 0}, "size is 0")])
def test_refuses_shapes_that_no_image_has(wrong: dict[str, int], sentence: str) -> None:
    with pytest.raises(FlowgenError, match=sentence):
        ImageFolder(**wrong)
