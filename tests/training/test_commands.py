"""`flowgen train` as a person meets it: what it refuses is one sentence and exit code 2."""

import sys
from pathlib import Path

import pytest

import flowgen
from flowgen.__main__ import main


@pytest.fixture
def train(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    """Runs the command in this process; its exit code, and what it printed."""

    def run(*flags: str, recipe: str = "glow", dataset: str = "folder") -> tuple[int, str]:
        command = ["flowgen", "train", recipe, "--dataset", dataset, "--folder-path", str(folder), "--folder-size", "8"]
        command += ["--folder-channels", "1", "--hidden", "8", "--batch-size", "4", "--device", "cpu"]
        command += ["--runs", str(tmp_path), "--output", str(tmp_path / "model.safetensors")]
        monkeypatch.setattr(sys, "argv", [*command, *flags])
        with pytest.raises(SystemExit) as exit:
            main()
        out, err = capfd.readouterr()
        return int(exit.value.code or 0), out + err

    return run


def test_train_writes_a_checkpoint_that_loads(train, tmp_path: Path) -> None:
    code, text = train("--steps", "3", "--depth", "1")
    assert code == 0
    assert "3 steps" in text
    assert "0 skipped" in text
    meta = flowgen.describe(str(tmp_path / "model.safetensors"))
    assert (meta.recipe, meta.dataset, meta.event_shape, meta.hyperparameters["depth"]) == (
        "glow",
        "folder",
        (1, 8, 8),
        1,
    )
    assert flowgen.load(str(tmp_path / "model.safetensors"), device="cpu").sample(2, seed=0).shape == (2, 1, 8, 8)


def test_an_earlier_run_is_kept_resumed_or_thrown_away(train, tmp_path: Path) -> None:
    assert train("--steps", "3", "--depth", "1")[0] == 0
    code, text = train("--steps", "3", "--depth", "1")
    assert code == 2
    assert "--resume" in text
    assert "--restart" in text
    code, text = train("--steps", "4", "--depth", "1", "--resume")
    assert code == 2
    assert "had steps = 3, and this command says 4" in text
    code, text = train("--steps", "3", "--depth", "1", "--resume", "--restart")
    assert code == 2
    assert "one of them" in text
    assert train("--steps", "4", "--depth", "1", "--restart")[0] == 0
    assert flowgen.describe(str(tmp_path / "model.safetensors")).steps == 4


def test_a_restart_that_cannot_start_throws_nothing_away(train, tmp_path: Path) -> None:
    assert train("--steps", "3", "--depth", "1")[0] == 0
    state = (tmp_path / "model" / "state.pt").read_bytes()
    assert train("--steps", "3", "--restart", "--folder-path", str(tmp_path / "nowhere"))[0] == 2
    assert (tmp_path / "model" / "state.pt").read_bytes() == state


def test_a_checkpoint_that_is_there_is_not_overwritten_unasked(train, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"somebody's")
    code, text = train("--steps", "3", "--depth", "1")
    assert code == 2
    assert "is there already" in text
    assert (tmp_path / "model.safetensors").read_bytes() == b"somebody's"
    assert train("--steps", "3", "--depth", "1", "--restart")[0] == 0


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("--steps", "3", "--resume"), "no run to resume"),
        ((), "either --steps or --hours"),
        (("--steps", "3", "--hours", "1"), "either --steps or --hours"),
        (("--hours", "nan"), "--hours"),
        (("--steps", "0"), "--steps"),
        (("--steps", "3", "--batch-size", "4000"), "use a smaller batch"),
        (("--steps", "3", "--optimizer", "sgd"), "--optimizer"),
        (("--steps", "3", "--output", "model.pt"), "must end in .safetensors"),
        (("--steps", "3", "--output", "/proc/model.safetensors"), "cannot be written"),
        (("--steps", "3", "--folder-path", ""), "needs --folder-path"),
        (("--steps", "3", "--device", "tpu"), "no device 'tpu'"),
        (("--steps", "3", "--lr", "1e38"), "--lr"),
    ],
)
def test_what_cannot_be_meant_is_refused(flags: tuple[str, ...], sentence: str, train) -> None:
    code, text = train(*flags)
    assert code == 2
    assert sentence in " ".join(text.split())
    assert "Traceback" not in text


def test_an_unknown_data_set_is_refused(train) -> None:
    code, text = train("--steps", "3", dataset="cifar100")
    assert code == 2
    assert "mnist, fashion_mnist, cifar10, celeba, folder" in text


def test_a_damaged_state_is_one_sentence(train, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "state.pt").write_bytes(b"PK\x03\x04" + bytes(1000))
    code, text = train("--steps", "3", "--resume")
    assert code == 2
    assert "cannot be read" in text
    assert "Traceback" not in text


def test_tracking_is_optional(train, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trackio", None)  # as where it is not installed
    code, text = train("--steps", "3", "--trackio", "digits")
    assert code == 2
    assert "pip install trackio" in text
