"""`flowgen inpaint`: the archive of one picture, and folders of pictures that survive being killed."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torch import Tensor

import flowgen
from flowgen.commands import inpaint as inpaint_module
from flowgen.inference import METHODS, complete

from .conftest import Shell

SOME = ["--method", "mala", "--num", 2, "--steps", 6]
PICTURES = 12


def entries(archive: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(archive) as file:
        return {name: file.read(name) for name in file.namelist()}


def pixels(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as picture:
        return np.asarray(picture)


def test_an_archive_holds_the_settings_that_made_it(shell: Shell, mnist_levels: Tensor) -> None:
    words = [
        "inpaint",
        "tiny",
        "--image",
        "a.png",
        "--mask",
        "mask.png",
        *SOME,
        "--seed",
        7,
        "--option",
        "step_size=0.2",
    ]
    facts = shell.json(*words, "--output", "out.png", "--archive", "out.zip")
    assert facts["diagnostics"]["converged"] is False
    files = entries(Path("out.zip"))
    settings = json.loads(files["settings.json"])
    assert (settings["model"], settings["method"], settings["seed"]) == ("tiny", "mala", 7)
    assert settings["options"] == {"step_size": 0.2, "target_acceptance": METHODS["mala"]().target_acceptance}
    assert settings["model_sha256"] == flowgen.library.fingerprint(Path("checkpoints/tiny.safetensors"))
    assert settings["steps_done"] == 6

    model = flowgen.load("tiny")
    known = pixels(files["mask.png"]) == 0
    frames = complete(
        model, mnist_levels[0], Tensor(known).bool(), method="mala", num=2, steps=6, seed=7,
        options=settings["options"],
    )  # fmt: skip
    *_, last = frames
    for number, levels in enumerate(last.levels):
        assert np.array_equal(pixels(files[f"completions/{number:03}.png"]), levels[0])
    assert np.array_equal(pixels(files["completions.png"]), np.asarray(Image.open("out.png")))


def test_the_verdict_is_said_in_a_sentence(shell: Shell) -> None:
    _, out, _ = shell("inpaint", "tiny", "--image", "a.png", "--mask", "mask.png", "--steps", 3, "--output", "out.png")
    assert out.splitlines()[0] == "out.png"
    assert "no draws from the posterior" in out


def test_interrupted_it_keeps_what_came(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    class Impatient:
        """A progress bar at whose third step somebody presses Ctrl+C."""

        n, total = 0, 0

        def __init__(self, *_: Any, **__: Any) -> None: ...
        def __enter__(self) -> "Impatient":
            return self

        def __exit__(self, *_: object) -> None: ...
        def update(self, by: int) -> None:
            self.n += by
            if self.n == 3:
                raise KeyboardInterrupt

    monkeypatch.setattr(inpaint_module, "bar", Impatient)
    words = ["inpaint", "tiny", "--image", "a.png", "--mask", "mask.png", *SOME, "--output", "out.png"]
    assert shell(*words, "--archive", "out.zip")[0] == 0
    settings = json.loads(entries(Path("out.zip"))["settings.json"])
    assert (settings["steps_done"], settings["steps"]) == (3, 6)


@pytest.fixture
def folder(tiny: Path) -> Path:
    """A dozen digits, one of them in a folder of its own."""
    folder = tiny / "many"
    (folder / "below").mkdir(parents=True)
    for number, path in enumerate(sorted((tiny / "images").iterdir())[:PICTURES]):
        shutil.copy(path, folder / ("below" if number == 3 else "") / path.name)
    return folder


def words(output: str, *more: object) -> list[object]:
    return ["inpaint", "tiny", "--image", "many", "--mask", "mask.png", *SOME, "--output", output, *more]


def results(output: Path) -> dict[str, bytes]:
    """What a folder run left, without what the clock decides."""
    kept = {}
    for path in sorted(output.rglob("*.zip")):
        for name, content in entries(path).items():
            if name != "settings.json":
                kept[f"{path.relative_to(output)}/{name}"] = content
    return kept


def command(output: str, *more: object, launcher: str = "-m flowgen") -> list[str]:
    return [sys.executable, *launcher.split(), *map(str, words(output, "--device", "cpu", *more))]


ENVIRONMENT = {"OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"}


def test_a_folder_is_filled_in_picture_by_picture(shell: Shell, folder: Path) -> None:
    facts = shell.json(*words("out"))
    assert (facts["pictures"], facts["done"]) == (PICTURES, PICTURES)
    for path in folder.rglob("*.png"):
        name = path.relative_to(folder).with_suffix("")
        files = entries(Path("out") / f"{name}.zip")
        known, given = pixels(files["mask.png"]) == 0, np.asarray(Image.open(path))
        for entry in ("completions/000.png", "completions/001.png"):
            assert np.array_equal(pixels(files[entry])[known], given[known])
        assert (Path("out") / f"{name}.png").read_bytes() == files["completions.png"]


def test_each_result_is_the_one_that_the_picture_has_by_itself(shell: Shell, folder: Path) -> None:
    shell.json(*words("out"))
    alone = ["inpaint", "tiny", "--image", "many/05.png", "--mask", "mask.png", *SOME]
    shell.json(*alone, "--output", "one.png", "--archive", "one.zip")
    assert entries(Path("one.zip"))["chain.webp"] == entries(Path("out/05.zip"))["chain.webp"]


def test_killed_it_goes_on_without_doing_a_picture_twice(shell: Shell, folder: Path) -> None:
    slowly = ("--steps", 16)
    shell.json(*words("whole", *slowly))
    for already in (0, 4):
        process = subprocess.Popen(
            command("out", *slowly),
            env=os.environ | ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        deadline = time.monotonic() + 300
        while len(list(Path("out").rglob("*.zip"))) < already + 2:
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.001)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    before = {path: path.stat().st_mtime_ns for path in Path("out").rglob("*.zip")}
    assert 4 < len(before) < PICTURES, "killed half-way"
    assert shell.json(*words("out", *slowly))["done"] == PICTURES
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert results(Path("out")) == results(Path("whole"))


def test_two_processes_share_a_folder(shell: Shell, folder: Path) -> None:
    shell.json(*words("one"))
    launcher = "-m accelerate.commands.launch --multi_gpu --num_processes 2 --num_machines 1 --mixed_precision no"
    launcher += " --dynamo_backend no --main_process_port 0 --module flowgen"
    done = subprocess.run(
        command("two", launcher=launcher), env=os.environ | ENVIRONMENT, capture_output=True, text=True, timeout=300,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == "two\n"
    assert results(Path("two")) == results(Path("one"))


def test_a_folder_of_masks_goes_by_name(shell: Shell, folder: Path, tiny: Path) -> None:
    masks = tiny / "masks"
    for number, path in enumerate(sorted(folder.rglob("*.png"))):
        mask = np.zeros((28, 28), np.uint8)
        mask[2 + number :] = 255
        (masks / path.relative_to(folder)).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(masks / path.relative_to(folder))
    with_masks = ["inpaint", "tiny", "--image", "many", "--mask", "masks", *SOME, "--output", "out"]
    assert shell.json(*with_masks)["done"] == PICTURES
    for path in folder.rglob("*.png"):
        name = path.relative_to(folder)
        assert np.array_equal(
            pixels(entries(Path("out") / name.with_suffix(".zip"))["mask.png"]), np.asarray(Image.open(masks / name))
        )
    (masks / "05.png").unlink()
    assert "masks has no mask for 05" in shell(*with_masks)[2]


def test_a_picture_that_cannot_be_read_does_not_keep_the_others(shell: Shell, folder: Path) -> None:
    (folder / "05.png").write_text("no picture")
    code, _, err = shell(*words("out"))
    assert code == 2
    assert f"1 of {PICTURES} pictures could not be filled in. many/05.png: " in err
    assert len(list(Path("out").rglob("*.zip"))) == PICTURES - 1
    shutil.copy(folder / "06.png", folder / "05.png")
    assert shell.json(*words("out"))["done"] == PICTURES


def test_a_folder_is_refused_before_its_first_picture(shell: Shell, folder: Path, tiny: Path) -> None:
    Image.new("L", (28, 28)).save("black.png")
    Image.new("L", (28, 28), 255).save("white.png")
    for changed, sentence in (
        (words("out", "--mask", "black.png"), "The mask marks nothing to fill in"),
        (words("out", "--mask", "white.png"), "The mask covers everything"),
        (words("many/out"), "is within many"),
        (words("out", "--archive", "x.zip"), "leave --archive out"),
        (words("out", "--method", "magic"), "no method 'magic'"),
        (words("out", "--option", "colour=1"), "no option 'colour'"),
    ):
        code, _, err = shell(*changed)
        assert code == 2
        assert sentence in err
        assert not Path("out").exists(), "or the next run would find its settings"


def test_a_run_goes_on_with_its_own_settings_only(shell: Shell, folder: Path) -> None:
    shell.json(*words("out"))
    for more, sentence in ((["--steps", 7], "begun with steps 6, and this run has 7"), (["--seed", 1], "seed 0")):
        code, _, err = shell(*words("out", *more))
        assert code == 2
        assert sentence in err
    Image.linear_gradient("L").resize((28, 28)).save("mask.png")
    assert "mask_sha256" in shell(*words("out"))[2]


def test_two_pictures_of_one_name_are_refused(shell: Shell, folder: Path) -> None:
    shutil.copy(folder / "05.png", folder / "05.bmp")
    code, _, err = shell(*words("out"))
    assert code == 2
    assert "Two pictures are called 05" in err


@pytest.mark.parametrize("archive", ["out.tar", "out"])
def test_an_archive_is_a_zip(shell: Shell, archive: str) -> None:
    code, _, err = shell(
        "inpaint", "tiny", "--image", "a.png", "--mask", "mask.png", "--output", "out.png", "--archive", archive
    )
    assert code == 2
    assert "must end in .zip" in err
