"""`flowgen push`: a model with its card, to a repository of models on the Hub."""

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml

if TYPE_CHECKING:
    from flowgen.checkpoint import Meta

__all__ = ["push"]

SECTION = re.compile(r"^## (?P<name>\S+)\n.*?(?=^## |\Z)", re.DOTALL | re.MULTILINE)


def push(
    name: Annotated[str, typer.Argument(help="model: a name, or a path")],
    to: Annotated[str, typer.Option(help="owner/repo on the Hub; made if it is not there")],
    private: Annotated[bool, typer.Option("--private", help="a new repository is for its owner alone")] = False,
) -> None:
    """Upload a model with its card; whoever may see it loads it as hf:OWNER/REPO/NAME."""
    from huggingface_hub import HfApi

    from flowgen import hub, library

    meta, path = library.describe(name), library.find(name)
    file = f"{meta.name}.safetensors"
    hub.create(to, "model", private=private)
    with hub.sentences(to):
        known = HfApi().file_exists(to, "README.md")
    before = hub.fetch(to, "README.md").read_text(encoding="utf-8") if known else ""
    readme = with_card(before, to, meta)
    hub.publish(to, "model", {file: path, "README.md": readme.encode()}, f"Add {meta.name}")
    typer.echo(f'flowgen.load("hf:{to}/{meta.name}")')


def with_card(readme: str, repo: str, meta: "Meta") -> str:
    """The README of a repository of models with one model's card in it, beside those of others that are there."""
    from flowgen.card import body, card

    cards = {found["name"]: f"{found[0].rstrip()}\n" for found in SECTION.finditer(body(readme))}
    cards[meta.name] = card(meta)
    lead = f'Image models with exact likelihoods, for FlowGen: `flowgen.load("hf:{repo}/{meta.name}")`.'
    return "\n".join([_front_matter(meta), "# Models", "", lead, "", *(cards[name] for name in sorted(cards))])


def _front_matter(meta: "Meta") -> str:
    """By which the Hub files the repository."""
    fields: dict[str, Any] = {
        "license": meta.licence.lower(),
        "library_name": "flowgen",
        "pipeline_tag": "unconditional-image-generation",
        "tags": ["flowgen", "exact-likelihood", meta.recipe.replace("_", "-")],
    }
    return f"---\n{yaml.safe_dump(fields, sort_keys=False)}---\n"
