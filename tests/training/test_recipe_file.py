"""Recipe files: a run in a file is the run of its flags, and each committed checkpoint has one."""

import dataclasses
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import flowgen
from flowgen import library
from flowgen.__main__ import main
from flowgen.errors import FlowgenError
from flowgen.training.recipe_file import RecipeFile, read_recipe, recipe_of

RECIPES = Path(__file__).parent.parent.parent / "recipes"
TINY: dict[str, Any] = {
    "model": "glow",
    "dataset": "folder",
    "hyperparameters": {"hidden": 8, "depth": 1, "logit": False, "alpha": 1e-6},
    "settings": {"steps": 3, "batch_size": 4, "warmup": 2, "lr": 1e-3, "mixed_precision": "no"},
}
FLAGS = ["--hidden", "8", "--depth", "1", "--no-logit", "--alpha", "1e-6", "--steps", "3", "--batch-size", "4"]
FLAGS += ["--warmup", "2", "--lr", "1e-3", "--mixed-precision", "no"]


@pytest.fixture
def flowgen_train(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    """Runs `flowgen train ...` beside a recipe, on the folder of digits: its exit code, and what it printed."""
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    monkeypatch.chdir(tmp_path)
    data = ["--folder-path", str(folder), "--folder-size", "8", "--folder-channels", "1", "--device", "cpu"]

    def run(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["flowgen", "train", *words, *data])
        with pytest.raises(SystemExit) as exit:
            main()
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return int(exit.value.code or 0), " ".join((out + err).split())

    return run


def _stored(name: str) -> tuple[bytes, flowgen.checkpoint.Meta]:
    path = Path("checkpoints") / f"{name}.safetensors"
    content, meta = path.read_bytes(), flowgen.describe(str(path))
    start = 8 + int.from_bytes(content[:8], "little")
    return content[start:], dataclasses.replace(meta, hours=0.0, name="")


def test_a_recipe_is_the_run_of_its_flags(flowgen_train) -> None:
    assert flowgen_train("--recipe", "tiny.yaml")[0] == 0
    assert flowgen_train("glow", "--dataset", "folder", *FLAGS, "--output", "checkpoints/flags.safetensors")[0] == 0
    assert _stored("tiny") == _stored("flags")


def test_flags_outdo_the_recipe_wherever_they_stand(flowgen_train) -> None:
    assert flowgen_train("--hidden", "4", "--recipe=tiny.yaml", "--logit", "--steps", "2")[0] == 0
    _, meta = _stored("tiny")
    asked = meta.hyperparameters
    assert (asked["hidden"], asked["logit"], asked["depth"]) == (4, True, 1)
    assert (meta.steps, meta.settings["batch_size"], meta.settings["hours"]) == (2, 4, None)


def test_hours_on_the_command_line_stand_for_the_steps_of_the_recipe(flowgen_train) -> None:
    code, text = flowgen_train("--recipe", "tiny.yaml", "--hours", "1", "--batch-size", "4000")
    assert code == 2
    assert "use a smaller batch" in text  # and not that there are two budgets


def test_the_model_may_be_named_beside_its_recipe_and_no_other(flowgen_train) -> None:
    code, text = flowgen_train("nice", "--recipe", "tiny.yaml")
    assert code == 2
    assert "The recipe tiny.yaml is one for glow, and the command says nice." in text
    assert flowgen_train("glow", "--recipe", "tiny.yaml", "--steps", "1")[0] == 0


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"model": "magic"}, "There is no model 'magic'; choose one of nice"),
        ({"model": ["glow"]}, "There is no model ['glow']"),
        ({"dataset": "imagenet"}, "There is no data set 'imagenet'; choose one of mnist"),
        ({"author": "me"}, "There is no option 'author' here; there are: model, dataset, hyperparameters, settings."),
        ({"hyperparameters": {"dpeth": 3}}, "There is no option 'dpeth' here"),
        ({"hyperparameters": {"depth": "three"}}, "depth is 'three'; it must be a whole number of at least 1"),
        ({"hyperparameters": {"logit": "no"}}, "logit is 'no'; it must be true or false"),
        ({"hyperparameters": [1]}, "names with values, and not [1]"),
        ({"settings": {"steps": 3, "learning_rate": 1}}, "There is no option 'learning_rate' here"),
        ({"settings": {"steps": 3, "lr": "fast"}}, "lr is 'fast'; it must be a number of at least 0"),
        ({"settings": {"steps": 0}}, "steps is 0; it must be a whole number of at least 1"),
        ({"settings": {"lr": 0.1}}, "either --steps or --hours"),
        ({"settings": None}, "names with values, and not None"),
    ],
)
def test_what_no_recipe_says_is_a_sentence(change: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(yaml.safe_dump(TINY | change))
    with pytest.raises(FlowgenError) as caught:
        read_recipe(path)
    assert str(caught.value).startswith("The recipe wrong.yaml cannot be followed. ")
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("model: [glow", "The recipe wrong.yaml is no YAML"),
        ("\xff\xfe", "It must say model, dataset, hyperparameters and settings"),
        ("model: glow\nmodel: nice\n", "It says twice what model is"),
        ("model: glow\ndataset: mnist\n", "It does not say: hyperparameters, settings."),
        ("model: !!python/object:os.system {}\n", "is no YAML, line 1"),
        ("", "It must say"),
    ],
)
def test_what_is_no_recipe_is_a_sentence(text: str, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(FlowgenError, match="The recipe wrong") as caught:
        read_recipe(path)
    assert sentence in str(caught.value)


def test_a_missing_recipe_is_a_sentence(flowgen_train) -> None:
    code, text = flowgen_train("--recipe", "none.yaml")
    assert code == 2
    assert "The recipe none.yaml could not be read: No such file" in text


def test_no_is_a_word_and_an_exponent_needs_no_point(tmp_path: Path) -> None:
    path = tmp_path / "plain.yaml"
    path.write_text(
        "model: glow\ndataset: mnist\nhyperparameters: {logit: true, alpha: 1e-6, depth: 4}\n"
        "settings: {steps: 3, lr: 2e-3, mixed_precision: no}\n"
    )
    recipe = read_recipe(path)
    assert recipe.hyperparameters == {"logit": True, "alpha": 1e-6, "depth": 4}
    assert recipe.settings == {"steps": 3, "lr": 2e-3, "mixed_precision": "no"}


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    recipe, path = RecipeFile(**TINY), tmp_path / "again.yaml"
    path.write_text(str(recipe))
    assert read_recipe(path) == recipe


@pytest.mark.parametrize("name", library.names())
def test_the_recipe_of_a_committed_checkpoint_is_what_its_header_says(name: str) -> None:
    """Field by field; what a header from before a setting does not name, the recipe may add."""
    said, committed = recipe_of(library.describe(name)), read_recipe(RECIPES / f"{name}.yaml")
    assert (committed.model, committed.dataset) == (said.model, said.dataset)
    assert committed.hyperparameters == said.hyperparameters
    assert committed.settings | said.settings == committed.settings
    assert committed.settings["steps"] == library.describe(name).steps
    assert not {"hours"} & committed.settings.keys()
    assert committed.settings.keys() - said.settings.keys() <= {"weight_decay", "invertible"}


def test_every_recipe_is_one_of_a_committed_checkpoint() -> None:
    assert sorted(path.stem for path in RECIPES.glob("*.yaml")) == library.names()


def test_a_checkpoint_prints_its_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["flowgen", "recipe", "glow-mnist"])
    with pytest.raises(SystemExit):
        main()
    (tmp_path / "printed.yaml").write_text(capfd.readouterr().out)
    assert read_recipe(tmp_path / "printed.yaml") == recipe_of(library.describe("glow-mnist"))
