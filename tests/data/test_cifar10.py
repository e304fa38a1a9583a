"""CIFAR-10 in both of its published forms, and pickles that pose as one."""

import importlib
import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from flowgen.data import CIFAR10, Images
from flowgen.errors import FlowgenError

Publish = Callable[[dict[str, str], str, bytes], Path]
cifar10_module = importlib.import_module("flowgen.data.cifar10")


def records(images: Images) -> bytes:
    """The binary version: a label's byte, then the three planes, an image."""
    rows = torch.cat([images.labels[:, None].to(torch.uint8), images.levels.flatten(1)], dim=1)
    return rows.numpy().tobytes()


def python2_pickle(levels: Tensor, labels: Tensor) -> bytes:
    """{"data": uint8 (n, 3072), "labels": list}, opcode by opcode as Python 2 and its numpy pickled it in 2009."""

    def text(value: str) -> bytes:
        return b"U" + bytes([len(value)]) + value.encode()

    shape = b"J" + struct.pack("<i", len(levels)) + b"M" + struct.pack("<H", 3072) + b"\x86"
    dtype = (
        b"cnumpy\ndtype\n"
        + text("u1")
        + b"K\x00K\x01\x87R(K\x03"
        + text("|")
        + b"NNN"
        + b"J\xff\xff\xff\xff" * 2
        + b"K\x00tb"
    )
    content = levels.numpy().tobytes()
    state = b"(K\x01" + shape + dtype + b"\x89T" + struct.pack("<i", len(content)) + content + b"t"
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + text("b") + b"\x87R" + state + b"b"
    numbers = b"](" + b"".join(b"K" + bytes([label]) for label in labels.tolist()) + b"e"
    return b"\x80\x02}(" + text("data") + array + text("labels") + numbers + b"u."


@pytest.fixture
def five_and_one(cifar10: Images) -> dict[str, Images]:
    """Six small batches: 10 images each, all different."""
    parts = zip(cifar10.levels[:60].split(10), cifar10.labels[:60].split(10), strict=True)
    batches = [Images(levels, labels, (), horizontal_flips=True) for levels, labels in parts]
    return {**{f"data_batch_{i + 1}": batches[i] for i in range(5)}, "test_batch": batches[5]}


def publish_binary(publish: Publish, batches: dict[str, Images]) -> None:
    for name, images in batches.items():
        publish(cifar10_module._BINARY, f"cifar-10-batches-bin/{name}.bin", records(images))


def publish_pickles(publish: Publish, batches: dict[str, Images]) -> None:
    for name, images in batches.items():
        publish(cifar10_module._PICKLES, f"cifar-10-batches-py/{name}", python2_pickle(images.levels, images.labels))


@pytest.mark.parametrize("publish_all", [publish_binary, publish_pickles])
def test_reads_both_forms(
    publish_all: Callable[..., None], publish: Publish, five_and_one: dict[str, Images], cifar10: Images
) -> None:
    publish_all(publish, five_and_one)
    train, test = CIFAR10().load("train"), CIFAR10().load("test")
    assert torch.equal(train.levels, cifar10.levels[:50])
    assert torch.equal(train.labels, cifar10.labels[:50])
    assert torch.equal(test.levels, cifar10.levels[50:60])
    assert torch.equal(test.labels, cifar10.labels[50:60])
    assert train.horizontal_flips
    assert [train.class_names[label] for label in train.labels[:4]] == ["cat", "ship", "ship", "airplane"]


class _Trap:
    """Unpickled, it makes a directory."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_never_unpickles_a_stranger(root: Path, publish: Publish, five_and_one: dict[str, Images]) -> None:
    publish_pickles(publish, five_and_one)
    (root / "cifar-10-batches-py" / "test_batch").write_bytes(pickle.dumps(_Trap(root / "sprung")))
    with pytest.raises(FlowgenError, match="test_batch is damaged or not the published file"):
        CIFAR10().load("test")
    assert not (root / "sprung").exists()


def test_refuses_a_record_file_with_one_wrong_bit(
    root: Path, publish: Publish, five_and_one: dict[str, Images]
) -> None:
    publish_binary(publish, five_and_one)
    path = root / "cifar-10-batches-bin" / "data_batch_3.bin"
    content = bytearray(path.read_bytes())
    content[100] ^= 128
    path.write_bytes(content)
    assert len(CIFAR10().load("test")) == 10
    with pytest.raises(FlowgenError, match=r"data_batch_3\.bin is damaged"):
        CIFAR10().load("train")


def test_without_files_and_network_says_what_to_put_where(root: Path) -> None:
    with pytest.raises(FlowgenError) as caught:
        CIFAR10().load("test")
    for part in ("CIFAR-10", "data_batch_1.bin", "test_batch.bin", "cifar-10-batches-bin", "FLOWGEN_DATA"):
        assert part in str(caught.value)
