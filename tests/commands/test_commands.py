"""The command line as a user types it: every command, its JSON, its exit codes and its sentences."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import flowgen
from flowgen.checkpoint import Meta, build, save_checkpoint
from flowgen.commands.bar import bar
from flowgen.data.pictures import from_levels

from .conftest import Shell


def test_models(shell: Shell) -> None:
    code, out, _ = shell("models")
    assert code == 0
    assert "tiny" in out
    assert shell.json("models")["tiny"]["recipe"] == "glow"


def test_models_leaves_out_what_it_cannot_read(shell: Shell, tiny: Path) -> None:
    (tiny / "checkpoints" / "broken.safetensors").write_bytes(b"\x80\x04N.")
    code, out, err = shell("models")
    assert code == 0
    assert "tiny" in out
    assert "broken" not in out
    assert "broken is left out" in err
    assert err.count("\n") == 1


def test_sample(shell: Shell) -> None:
    facts = shell.json("sample", "tiny", "--num", 6, "--temperature", 0.5, "--seed", 3, "--output", "grid.png")
    assert facts["num"] == 6
    with Image.open("grid.png") as grid:
        assert grid.size == (3 * 28 + 4, 2 * 28 + 2)


def test_a_seed_gives_the_same_file(shell: Shell) -> None:
    for output in ("one.png", "two.png"):
        shell("sample", "tiny", "--seed", 3, "--output", output)
    assert Path("one.png").read_bytes() == Path("two.png").read_bytes()


@pytest.fixture
def celeba(tiny: Path, cifar10_levels: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model of 64x64 photographs, and as many labelled ones in CelebA's place."""
    levels = cifar10_levels.repeat_interleave(2, 2).repeat_interleave(2, 3)
    rows = ["file,Smiling,Bald"]
    (tiny / "celeba64" / "train").mkdir(parents=True)
    for i, one in enumerate(levels):
        from_levels(one).save(tiny / "celeba64" / "train" / f"{i:06d}.png")
        rows.append(f"{i:06d}.png,{i % 2},{int(i < 9)}")
    (tiny / "celeba64" / "attributes.csv").write_text("\n".join(rows))
    monkeypatch.setenv("FLOWGEN_DATA", str(tiny))
    meta = Meta("nice", {"couplings": 2, "hidden": 4, "blocks": 1}, (3, 64, 64), dataset="celeba")
    model: Any = build(meta)
    model.initialize((levels + 0.5) / 256)
    save_checkpoint(tiny / "checkpoints" / "photos.safetensors", model, meta)


def test_attributes_are_learned_and_edited(shell: Shell, tiny: Path, celeba: None) -> None:
    image = tiny / "celeba64" / "train" / "000003.png"
    code, _, err = shell("edit", "photos", image, "--set", "Smiling=1", "--output", "more.png")
    assert code == 2
    assert "knows no attributes; `flowgen attributes` learns them" in err
    facts = shell.json("attributes", "photos", "--attribute", "Smiling", "--attribute", "Bald")
    assert facts["num_images"] == 64
    assert facts["lengths"].keys() == {"Smiling", "Bald"}
    assert flowgen.describe("photos").attributes == ("Smiling", "Bald")

    shell.json("edit", "photos", image, "--set", "Smiling=0", "--output", "same.png")
    assert shell.json("edit", "photos", image, "--set", "Bald=2", "--output", "more.png")["amounts"] == {"Bald": 2.0}
    with Image.open(image) as before, Image.open("same.png") as same, Image.open("more.png") as more:
        assert np.array_equal(before, same)
        assert not np.array_equal(before, more)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (
            ("attributes", "photos", "--attribute", "Cheerful"),
            "CelebA has no attribute 'Cheerful'; it has Smiling, Bald",
        ),
        (("attributes", "tiny", "--attribute", "Bald"), "tiny takes images of shape (1, 28, 28), and CelebA has"),
        (("edit", "photos", "a.png", "--set", "Cheerful=1", "--output", "o.png"), "no attribute 'Cheerful'"),
        (("edit", "photos", "a.png", "--set", "Bald=nan", "--output", "o.png"), "a number from -10 to 10"),
        (("edit", "photos", "a.png", "--set", "Bald", "--output", "o.png"), "as in Bald=1.5"),
    ],
)
def test_attributes_that_cannot_be(shell: Shell, celeba: None, command: tuple[str, ...], words: str) -> None:
    if command[0] == "edit":
        shell.json("attributes", "photos", "--attribute", "Bald")
    code, _, err = shell(*command)
    assert code == 2
    assert words in err


def test_interpolate_arrives(shell: Shell, mnist_levels: Tensor) -> None:
    shell("interpolate", "tiny", "--start", "a.png", "--end", "b.png", "--frames", 5, "--output", "strip.png")
    strip = np.asarray(Image.open("strip.png"))
    assert strip.shape == (28, 5 * 28 + 8)
    assert np.array_equal(strip[:, :28], mnist_levels[0, 0])
    assert np.array_equal(strip[:, -28:], mnist_levels[1, 0])


@pytest.mark.parametrize("method", ["gradient_ascent", "annealed_ascent", "langevin"])
def test_inpaint_keeps_what_is_known(shell: Shell, method: str, mnist_levels: Tensor) -> None:
    words = ["tiny", "--image", "a.png", "--mask", "mask.png", "--method", method, "--num", 2, "--steps", 3]
    facts = shell.json("inpaint", *words, "--output", "out.png")
    assert len(facts["log_density"]) == 2
    pair = np.asarray(Image.open("out.png"))
    for left in (0, 30):
        assert np.array_equal(pair[:14, left : left + 28], mnist_levels[0, 0, :14])


def test_train_and_evaluate(shell: Shell, tiny: Path) -> None:
    folder = ["--folder-path", "images", "--folder-size", 28, "--folder-channels", 1]
    words = ["glow", "--dataset", "folder", *folder, "--steps", 3, "--batch-size", 4, "--depth", 1, "--hidden", 8]
    assert shell("train", *words, "--output", "checkpoints/new.safetensors")[0] == 0
    assert flowgen.describe("new").steps == 3
    facts = shell.json("evaluate", "new", "--folder-path", "images", "--record")
    assert facts["num_images"] == 4
    assert facts["dequantization"] == "uniform"
    assert facts["importance_samples"] == 1
    assert flowgen.describe("new").bits_per_dim == facts["bits_per_dim"]
    assert len(flowgen.describe("new").quantiles) == 101


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["sample", "none", "--output", "x.png"], "There is no model 'none'"),
        (["sample", "tiny", "--output", "x.jpg"], "must end in .png"),
        (["sample", "tiny", "--output", "x.png", "--label", "3"], "without classes"),
        (["sample", "tiny", "--output", "x.png", "--temperature", "nan"], "temperature"),
        (["sample", "tiny", "--output", "x.png", "--device", "abacus"], "abacus"),
        (["sample", "a.png", "--output", "x.png"], "There is no model"),
        (["interpolate", "tiny", "--start", "none.png", "--end", "b.png", "--output", "x.png"], "none.png"),
        (["inpaint", "tiny", "--image", "a.png", "--mask", "a.png", "--method", "magic", "--output", "x.png"], "magic"),
        (
            ["inpaint", "tiny", "--image", "a.png", "--mask", "mask.png", "--option", "x", "--output", "x.png"],
            "NAME=VALUE",
        ),
        (["inpaint", "tiny", "--image", "a.png", "--mask", "mask.png", "--option", "x=1", "--output", "x.png"], "x"),
        (["evaluate", "tiny", "--dataset", "imagenet"], "no data set 'imagenet'"),
        (["train", "glow", "--dataset", "mnist"], "--steps or --hours"),
        (["train", "glow", "--dataset", "mnist", "--steps", "0"], "--steps"),
        (["train", "magic", "--dataset", "mnist"], "magic"),
        (["sample", "tiny", "--num", "0", "--output", "x.png"], "--num"),
        (["sample", "tiny", "--seed", "-1", "--output", "x.png"], "Invalid value for '--seed'"),
        (["sample", "tiny", "--seed", "2147483648", "--output", "x.png"], "'--seed'"),
        (
            ["inpaint", "tiny", "--image", "no.txt", "--mask", "mask.png", "--output", "x.png"],
            "--image no.txt: This is",
        ),
        (
            ["inpaint", "tiny", "--image", "a.png", "--mask", "no.txt", "--output", "x.png"],
            "--mask no.txt: This is not",
        ),
        (["interpolate", "tiny", "--start", "a.png", "--end", "no.txt", "--output", "x.png"], "--end no.txt: This is"),
        (["compress", "tiny", "a.png", "--output", "x.flowgen"], "tiny is a flow"),
        (["compress", "tiny", "--output", "x.flowgen"], "either pictures or --dataset"),
        (["compress", "tiny", "a.png", "--dataset", "mnist", "--output", "x.flowgen"], "either pictures or --dataset"),
        (["compress", "tiny", "none.png", "--output", "x.flowgen"], "none.png"),
        (["decompress", "none.flowgen", "--output", "out"], "none.flowgen could not be read"),
        (["decompress", "a.png", "--output", "out"], "not a file that `flowgen compress` wrote"),
    ],
)
def test_what_is_wrong_is_a_sentence_and_exit_code_2(
    shell: Shell, words: list[str], sentence: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FLOWGEN_DATA", str(tmp_path / "empty"))
    Path("no.txt").write_text("no picture")
    code, out, err = shell(*words)
    assert code == 2
    assert sentence in err
    assert out == ""
    assert "/s]" not in err, "no bar of what never began"


@pytest.fixture
def causal(tiny: Path) -> str:
    """The name of an autoregressive model beside the flow."""
    torch.manual_seed(0)
    hyperparameters = {"hidden": 8, "dilations": "1 2", "embedding": 4}
    meta = Meta("gated_pixelcnn", hyperparameters, (1, 28, 28), dataset="folder")
    model: Any = build(meta)
    save_checkpoint(tiny / "checkpoints" / "causal.safetensors", model, meta)
    return "causal"


def test_the_temperature_is_the_models_usual_one(shell: Shell, causal: str) -> None:
    assert shell.json("sample", "tiny", "--num", 1, "--output", "x.png")["temperature"] == 0.8
    assert shell.json("sample", causal, "--num", 1, "--output", "x.png")["temperature"] == 1.0
    assert shell.json("sample", "tiny", "--num", 1, "--temperature", 0, "--output", "x.png")["temperature"] == 0


def test_a_bar_is_shown_once_there_is_progress(capsys: pytest.CaptureFixture[str]) -> None:
    with bar(4, "picture", show=True) as shown:
        assert capsys.readouterr().err == ""
        time.sleep(0.15)  # tqdm draws every tenth of a second
        shown.update()
        assert "1/4" in capsys.readouterr().err


def test_compressed_pictures_come_back(shell: Shell, causal: str, mnist_levels: Tensor) -> None:
    facts = shell.json("compress", causal, "a.png", "b.png", "--output", "two.flowgen")
    size = Path("two.flowgen").stat().st_size
    assert (facts["model"], facts["num_images"], facts["bytes"]) == (causal, 2, size)
    assert facts["bits_per_dim"] == pytest.approx(8 * size / (2 * 784))
    assert facts["ratio"] == pytest.approx(2 * 784 / size)
    assert facts["claim_bits_per_dim"] < facts["bits_per_dim"]
    assert facts["seconds"] > 0
    assert shell.json("decompress", "two.flowgen", "--output", "out")["num_images"] == 2
    assert sorted(path.name for path in Path("out").iterdir()) == ["0000.png", "0001.png"]
    for number in range(2):
        assert np.array_equal(np.asarray(Image.open(f"out/000{number}.png")), mnist_levels[number, 0])


def test_a_data_set_is_compressed(shell: Shell, causal: str) -> None:
    words = [
        "compress",
        causal,
        "--dataset",
        "folder",
        "--folder-path",
        "images",
        "--num",
        3,
        "--output",
        "set.flowgen",
    ]
    assert shell.json(*words)["num_images"] == 3
    code, out, _ = shell("decompress", "set.flowgen", "--output", "out", "--model", "checkpoints/causal.safetensors")
    assert (code, out) == (0, "out\n")
    assert len(list(Path("out").iterdir())) == 3


def test_decompress_writes_no_image_where_one_is_wrong(shell: Shell, causal: str, tiny: Path) -> None:
    shell("compress", causal, "a.png", "--output", "one.flowgen")
    content = Path("one.flowgen").read_bytes()
    Path("damaged.flowgen").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    (tiny / "checkpoints" / "causal.safetensors").rename(tiny / "elsewhere.safetensors")
    for words, sentence in (
        (["damaged.flowgen"], "damaged"),
        (["one.flowgen"], "needs the model 'causal', which is not here; say where with --model"),
        (["one.flowgen", "--model", "tiny"], "tiny is a flow"),
    ):
        code, out, err = shell("decompress", *words, "--output", "out")
        assert (code, out) == (2, "")
        assert sentence in err
        assert not Path("out").exists()
    assert shell("decompress", "one.flowgen", "--output", "out", "--model", "elsewhere.safetensors")[0] == 0
