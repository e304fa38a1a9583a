"""Recipe files: all that a training run is made of but the machine, in a short YAML, so that it can be repeated."""

import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from flowgen.checkpoint import Meta
from flowgen.data import DATASETS
from flowgen.errors import FlowgenError
from flowgen.hyperparameters import check_values, configure
from flowgen.models import MODELS
from flowgen.training.settings import Settings

__all__ = ["RecipeFile", "read_recipe", "recipe_of"]


@dataclass(frozen=True)
class RecipeFile:
    """What `flowgen train --recipe` reads.

    Attributes:
        model: key in MODELS.
        dataset: key in DATASETS.
        hyperparameters: fields of the model's recipe; those left out are at their defaults.
        settings: fields of Settings, with a budget among them; those left out are at their defaults.

    Raises:
        FlowgenError: if a name is unknown, or a value is of the wrong kind or out of range.
    """

    model: str
    dataset: str
    hyperparameters: dict[str, Any]
    settings: dict[str, Any]

    def __post_init__(self) -> None:
        for kind, name, known in (("model", self.model, list(MODELS)), ("data set", self.dataset, list(DATASETS))):
            if str(name) not in known:
                raise FlowgenError(f"There is no {kind} {name!r}; choose one of {', '.join(known)}.")
        for source, values in ((MODELS[self.model], self.hyperparameters), (Settings, self.settings)):
            if not isinstance(values, dict):
                raise FlowgenError(f"Hyperparameters and settings are names with values, and not {values!r}.")
            check_values(source, values)
            configure(source, values)

    def flags(self) -> dict[str, Any]:
        """What it stands for on the command line of `flowgen train MODEL`, by the flags' names."""
        return {"dataset": self.dataset, **self.hyperparameters, **self.settings}

    def __str__(self) -> str:
        """The file's text."""
        return yaml.safe_dump(dataclasses.asdict(self), sort_keys=False)


def read_recipe(path: Path) -> RecipeFile:
    """Read a recipe file.

    Raises:
        FlowgenError: if it cannot be read, is no YAML, or holds what no recipe does.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Plain)
        if not isinstance(content, dict):
            raise FlowgenError("It must say model, dataset, hyperparameters and settings.")
        if missing := [field.name for field in dataclasses.fields(RecipeFile) if field.name not in content]:
            raise FlowgenError(f"It does not say: {', '.join(missing)}.")
        recipe: RecipeFile = configure(RecipeFile, content)
    except OSError as error:
        raise FlowgenError(f"The recipe {path.name} could not be read: {error.strerror}.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        line = f", line {mark.line + 1}" if (mark := getattr(error, "problem_mark", None)) else ""
        raise FlowgenError(f"The recipe {path.name} is no YAML{line}.") from None
    except FlowgenError as error:
        raise FlowgenError(f"The recipe {path.name} cannot be followed. {error}") from None
    return recipe


def recipe_of(meta: Meta) -> RecipeFile:
    """The recipe by which a checkpoint says that it was trained; hours have become the steps that they were.

    Raises:
        FlowgenError: if this version knows a part of it no longer.
    """
    settings = {key: value for key, value in meta.settings.items() if value is not None and key != "hours"}
    return RecipeFile(meta.recipe, meta.dataset, dict(meta.hyperparameters), {**settings, "steps": meta.steps})


class _Plain(yaml.SafeLoader):
    """YAML in which a person's `no` is a word and 1e-6 a number, as in YAML 1.2, and a key stands once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise FlowgenError(f"It says twice what {key} is.")
        return super().construct_mapping(node, deep)


REPLACED = ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:float", "tag:yaml.org,2002:timestamp")
NUMBER = r"^([-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|\.nan|\.inf)$"
_Plain.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in REPLACED]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Plain.add_implicit_resolver(REPLACED[0], re.compile(r"^(true|false)$"), list("tf"))
_Plain.add_implicit_resolver(REPLACED[1], re.compile(NUMBER), list("-+.0123456789"))
