"""A model's card, in Markdown: what it is, how good, how it was made."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from flowgen.checkpoint import Meta

__all__ = ["body", "card", "cards", "licence_file"]

FRONT_MATTER = re.compile(r"\A---\n.*?^---\n+", re.DOTALL | re.MULTILINE)


def licence_file(checkpoint: Path) -> Path:
    """Where the licence of a model lies that has one of its own: beside its checkpoint."""
    return checkpoint.with_suffix(".LICENSE")


def body(readme: str) -> str:
    """A README without the front matter that the Hub reads."""
    return FRONT_MATTER.sub("", readme)


ABOUT = (
    "`flowgen train --recipe recipes/NAME.yaml` is how a model was trained. "
    "Its curve, where it was kept, is NAME.csv and NAME.svg."
)


def cards(metas: Iterable[Meta]) -> str:
    """All cards, as checkpoints/README.md has them."""
    return "\n".join(["# Models", "", ABOUT, "", *map(card, metas)])


def card(meta: Meta) -> str:
    """One model's card."""
    settings = {key: value for key, value in meta.settings.items() if value is not None}
    figure = "not measured"
    if meta.bits_per_dim is not None:
        figure = f"{meta.bits_per_dim:.4f} bits/dim (standard error {meta.standard_error:.4f}; {meta.protocol})"
    lines = [
        f"## {meta.name}",
        "",
        f"- {meta.recipe} on {meta.dataset}, {'x'.join(map(str, meta.event_shape))}, {meta.levels} levels",
        f"- {figure}, by `flowgen evaluate {meta.name} --dataset {meta.dataset}`",
        f"- {_listed(meta.hyperparameters)}",
        f"- trained for {meta.steps} steps on {meta.images_seen} images, {meta.hours:.2f} hours on {meta.processor}",
        f"- {_listed(settings)}",
        f"- licence: {meta.licence}",
    ]
    if meta.attributes:
        lines.append(
            f"- knows {', '.join(meta.attributes)}: `flowgen edit {meta.name} face.png --set {meta.attributes[0]}=1`"
        )
    lines.append("")
    return "\n".join(lines)


def _listed(values: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items())
