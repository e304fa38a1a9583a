"""Reading a Spacefile: what is wrong with it is said in one sentence that names the key."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from flowgen.errors import FlowgenError
from flowgen.space.manifest import VERSION, Manifest

__all__ = ["SPACEFILE", "read"]

SPACEFILE = "Spacefile"


def read(path: Path) -> Manifest:
    """The Spacefile at a path.

    Raises:
        FlowgenError: if it is missing, no YAML, of a newer version, or a key in it is unknown, missing or out of range.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Strict)
    except FileNotFoundError:
        raise FlowgenError("There is no Spacefile here; it belongs beside app.py, and says how to run it.") from None
    except (OSError, UnicodeDecodeError):
        raise FlowgenError("The Spacefile cannot be read as text.") from None
    except yaml.MarkedYAMLError as error:
        line = "" if error.problem_mark is None else f", line {error.problem_mark.line + 1}"
        raise FlowgenError(f"The Spacefile is no sound YAML{line}: {error.problem}.") from None
    except yaml.YAMLError:
        raise FlowgenError("The Spacefile holds characters that YAML does not allow.") from None
    if not isinstance(content, dict):
        raise FlowgenError(f"The Spacefile holds no sections; it starts with `version: {VERSION}`.")
    if isinstance(version := content.get("version"), int) and version > VERSION:
        raise FlowgenError(f"The Spacefile has version {version}, and this flowgen reads up to {VERSION}: update it.")
    try:
        return Manifest.model_validate(content)
    except ValidationError as error:
        raise FlowgenError(f"The Spacefile is out of order: {'; '.join(map(_said, error.errors()))}.") from None


class _Strict(yaml.SafeLoader):
    """YAML where a key that stands twice is an error; PyYAML would take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value} stands twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _said(error: ErrorDetails) -> str:
    where = ".".join(map(str, error["loc"])) or "a section"
    if error["type"] == "extra_forbidden":
        return f"{where} is no key of it"
    if error["type"] == "missing":
        return f"{where} is missing"
    message = error["msg"].removeprefix("Value error, ")
    return f"{where}: {message[0].lower()}{message[1:]}"
