"""CelebA in both of its layouts, made here of photographs that are no faces."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from flowgen.data import CelebA
from flowgen.data.pictures import from_levels
from flowgen.errors import FlowgenError


@pytest.fixture
def small(root: Path, cifar10_levels: Tensor) -> list[Tensor]:
    """Five pictures at 64x64, the last two for testing, with two attributes."""
    levels = [one.repeat_interleave(2, 1).repeat_interleave(2, 2) for one in cifar10_levels[:5]]
    for i, one in enumerate(levels):
        path = root / "celeba64" / ("train" if i < 3 else "test") / f"{i:06d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        from_levels(one).save(path)
    rows = [f"{i:06d}.png,{i % 2},{int(i > 2)}" for i in range(5)]
    (root / "celeba64" / "attributes.csv").write_text("\n".join(["file,Smiling,Bald", *rows, ""]))
    return levels


@pytest.fixture
def published(root: Path) -> Path:
    """Four pictures of 178x218 whose middle is red and whose margins are blue, one for validation."""
    folder = root / "celeba" / "img_align_celeba"
    folder.mkdir(parents=True)
    for i in range(4):
        picture = np.zeros((218, 178, 3), np.uint8)
        picture[:, :, 2] = 255
        picture[35:183, 15:163] = (250 - 50 * i, 0, 0)
        Image.fromarray(picture).save(folder / f"{i:06d}.png")
    parts = "".join(f"{i:06d}.png {part}\n" for i, part in enumerate((0, 2, 0, 1)))
    (root / "celeba" / "list_eval_partition.txt").write_text(parts)
    rows = "".join(f"{i:06d}.png {'1' if i else '-1'}  -1\n" for i in range(4))
    (root / "celeba" / "list_attr_celeba.txt").write_text(f"4\nSmiling Bald\n{rows}")
    return folder


def test_the_small_layout(small: list[Tensor]) -> None:
    train, test = CelebA().load("train"), CelebA().load("test")
    assert torch.equal(train.levels, torch.stack(small[:3]))
    assert torch.equal(test.levels, torch.stack(small[3:]))
    assert (train.labels, train.horizontal_flips) == (None, True)
    names, has = CelebA().attributes("test")
    assert names == ("Smiling", "Bald")
    assert has.tolist() == [[True, True], [False, True]]


def test_of_the_published_layout_the_middle_is_taken(published: Path) -> None:
    images = CelebA().load("train")
    assert images.levels.shape == (2, 3, 64, 64)
    assert (images.levels[0].float().mean((1, 2)) - torch.tensor([250.0, 0, 0])).abs().max() < 1
    assert (images.levels[1].float().mean((1, 2)) - torch.tensor([150.0, 0, 0])).abs().max() < 1
    assert len(CelebA().load("test")) == 1
    names, has = CelebA().attributes("train")
    assert names == ("Smiling", "Bald")
    assert has.tolist() == [[False, False], [True, False]]


def test_what_is_missing_is_named(root: Path) -> None:
    with pytest.raises(FlowgenError, match="put its img_align_celeba"):
        CelebA().load("train")


def test_a_file_that_is_missing_or_says_too_little_is_named(published: Path, small: list[Tensor], root: Path) -> None:
    (root / "celeba64" / "attributes.csv").write_text("file,Smiling\n000000.png,1\n")
    with pytest.raises(FlowgenError, match=r"say nothing of '000001\.png'"):
        CelebA().attributes("train")
    (root / "celeba64").rename(root / "elsewhere")
    (root / "celeba" / "list_eval_partition.txt").unlink()
    with pytest.raises(FlowgenError, match=r"list_eval_partition\.txt is missing"):
        CelebA().load("test")


def test_a_damaged_picture_is_named(small: list[Tensor], root: Path) -> None:
    (root / "celeba64" / "train" / "000001.png").write_bytes(b"no picture")
    with pytest.raises(FlowgenError, match=r"000001\.png of CelebA cannot be read"):
        CelebA().load("train")
