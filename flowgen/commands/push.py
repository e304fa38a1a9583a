"""`flowgen push`: a model with its card, to a repository of models on the Hub."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml

if TYPE_CHECKING:
    from flowgen.checkpoint import Meta

__all__ = ["push"]

LICENCE = re.compile(r"^- licence: (.*)$", re.MULTILINE)
SECTION = re.compile(r"^## (?P<name>\S+)\n.*?(?=^## |\Z)", re.DOTALL | re.MULTILINE)


def push(
    name: Annotated[str, typer.Argument(help="model: a name, or a path")],
    to: Annotated[str, typer.Option(help="owner/repo on the Hub; made if it is not there")],
    private: Annotated[bool, typer.Option("--private", help="a new repository is for its owner alone")] = False,
) -> None:
    """Upload a model with its card; whoever may see it loads it as hf:OWNER/REPO/NAME."""
    from huggingface_hub import HfApi

    from flowgen import hub, library
    from flowgen.card import licence_file

    meta, path = library.describe(name), library.find(name)
    file = f"{meta.name}.safetensors"
    hub.create(to, "model", private=private)
    with hub.sentences(to):
        known = HfApi().file_exists(to, "README.md")
    before = hub.fetch(to, "README.md").read_text(encoding="utf-8") if known else ""
    readme = with_card(before, to, meta)
    files: dict[str, Path | bytes] = {file: path, "README.md": readme.encode()}
    if licence_file(path).is_file():
        files[licence_file(Path(file)).name] = licence_file(path)
    hub.publish(to, "model", files, f"Add {meta.name}")
    typer.echo(f'flowgen.load("hf:{to}/{meta.name}")')


def with_card(readme: str, repo: str, meta: "Meta") -> str:
    """The README of a repository of models with one model's card in it, beside those of others that are there."""
    from flowgen.card import body, card

    cards = {found["name"]: f"{found[0].rstrip()}\n" for found in SECTION.finditer(body(readme))}
    cards[meta.name] = card(meta)
    lead = f'Image models with exact likelihoods, for FlowGen: `flowgen.load("hf:{repo}/{meta.name}")`.'
    licences = {meta.licence, *LICENCE.findall("".join(cards.values()))}
    return "\n".join(
        [_front_matter(meta, licences), "# Models", "", lead, "", *(cards[name] for name in sorted(cards))]
    )


def _front_matter(meta: "Meta", licences: set[str]) -> str:
    """By which the Hub files the repository; it knows the common licences by name, and one for all of a repository."""
    fields: dict[str, Any] = {
        "license": "apache-2.0" if licences == {"Apache-2.0"} else "other",
        "library_name": "flowgen",
        "pipeline_tag": "unconditional-image-generation",
        "tags": ["flowgen", "exact-likelihood", meta.recipe.replace("_", "-")],
    }
    return f"---\n{yaml.safe_dump(fields, sort_keys=False)}---\n"
