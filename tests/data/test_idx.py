"""MNIST and Fashion-MNIST from their published files: what is read, what is refused, what is said."""

import gzip
import importlib
import socket
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from flowgen.data import DATASETS, Images, data_root
from flowgen.errors import FlowgenError

Publish = Callable[[dict[str, str], str, bytes], Path]
IDX_SETS = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST"}
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


def idx(values: torch.Tensor) -> bytes:
    """The idx format: two zeros, the type (8: bytes), the number of axes, their lengths, the values."""
    array = values.to(torch.uint8).numpy()
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture(params=IDX_SETS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def images(name: str, request: pytest.FixtureRequest) -> Images:
    return request.getfixturevalue(name)


@pytest.fixture
def raw(name: str, images: Images, publish: Publish) -> Path:
    """The folder of the published files, with a small test split in it."""
    table = importlib.import_module(f"flowgen.data.{name}")._MD5
    publish(table, f"{IDX_SETS[name]}/raw/{TEST_IMAGES}", idx(images.levels.squeeze(1)))
    return publish(table, f"{IDX_SETS[name]}/raw/{TEST_LABELS}", idx(images.labels)).parent


def test_reads_what_was_published(name: str, images: Images, raw: Path) -> None:
    loaded = DATASETS[name]().load("test")
    assert torch.equal(loaded.levels, images.levels)
    assert torch.equal(loaded.labels, images.labels)
    assert len(loaded.class_names) == 10
    assert not loaded.horizontal_flips


def test_reads_archives_whoever_packed_them(name: str, images: Images, raw: Path) -> None:
    for path in list(raw.iterdir()):
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes(), compresslevel=1, mtime=7))
        path.unlink()
    assert torch.equal(DATASETS[name]().load("test").levels, images.levels)


def test_refuses_a_file_with_one_wrong_bit(name: str, raw: Path) -> None:
    content = bytearray((raw / TEST_IMAGES).read_bytes())
    content[5000] ^= 1
    (raw / TEST_IMAGES).write_bytes(content)
    with pytest.raises(FlowgenError, match=r"t10k-images-idx3-ubyte is damaged .* Delete it"):
        DATASETS[name]().load("test")


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-20], lambda b: b"\x00" + b, lambda b: b[:500] + b"!" + b[501:], lambda b: b""]
)
def test_refuses_a_damaged_archive(name: str, raw: Path, damage: Callable[[bytes], bytes]) -> None:
    path = raw / TEST_IMAGES
    path.with_name(path.name + ".gz").write_bytes(damage(gzip.compress(path.read_bytes())))
    path.unlink()
    with pytest.raises(FlowgenError, match=r"t10k-images-idx3-ubyte\.gz is damaged"):
        DATASETS[name]().load("test")


def test_without_files_and_network_says_what_to_put_where(name: str, root: Path) -> None:
    with pytest.raises(FlowgenError) as caught:
        DATASETS[name]().load("train")
    sentence = str(caught.value)
    for part in (IDX_SETS[name], "train-images-idx3-ubyte", "t10k-labels-idx1-ubyte", ".gz", "raw", "FLOWGEN_DATA"):
        assert part in sentence
    assert "Traceback" not in sentence
    assert socket.getdefaulttimeout() is None


def test_a_file_missing_beside_others_is_said_as_well(name: str, raw: Path) -> None:
    (raw / TEST_LABELS).unlink()
    with pytest.raises(FlowgenError, match=TEST_LABELS):
        DATASETS[name]().load("test")


@pytest.mark.parametrize("dataset", sorted(DATASETS))
def test_refuses_a_split_that_is_none(dataset: str, root: Path) -> None:
    with pytest.raises(FlowgenError, match="no split 'valid'"):
        DATASETS[dataset]().load("valid")


def test_root_is_the_environment_variable_else_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWGEN_DATA", "elsewhere")
    assert data_root() == Path("elsewhere")
    monkeypatch.setenv("FLOWGEN_DATA", "")
    assert data_root() == Path("data")
