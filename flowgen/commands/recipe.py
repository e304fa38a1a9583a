"""`flowgen train --recipe FILE`: flags from a file, which those on the command line outdo; `flowgen recipe MODEL`."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from flowgen.errors import FlowgenError

__all__ = ["RecipeGroup", "recipe"]

FLAG = "--recipe"
BUDGETS = ("steps", "hours")


class RecipeGroup(TyperGroup):
    """`train`, whose model and flags may come from a recipe: a recipe's values are the flags' defaults."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take the recipe out of the arguments, and put its model where the command stands.

        Raises:
            FlowgenError: if the recipe cannot be followed, or is another model's than the command's.
        """
        from flowgen.library import SUFFIX
        from flowgen.training.recipe_file import read_recipe

        path, rest = _without_recipe(args)
        if path is None:
            return super().parse_args(ctx, args)
        asked = read_recipe(path)
        model, rest = (rest[0], rest[1:]) if rest and not rest[0].startswith("-") else (asked.model, rest)
        if model != asked.model:
            raise FlowgenError(f"The recipe {path.name} is one for {asked.model}, and the command says {model}.")
        flags = {"output": str(Path("checkpoints") / f"{path.stem}{SUFFIX}"), **asked.flags()}
        if any(flag.partition("=")[0] == f"--{budget}" for flag in rest for budget in BUDGETS):
            flags = {name: value for name, value in flags.items() if name not in BUDGETS}
        ctx.default_map = {model: flags}
        return super().parse_args(ctx, [model, *rest])


def _without_recipe(args: list[str]) -> tuple[Path | None, list[str]]:
    """The last recipe that is named among the arguments, and the arguments without it."""
    path: Path | None = None
    rest: list[str] = []
    words = iter(args)
    for word in words:
        if word == FLAG and (following := next(words, None)) is not None:
            path = Path(following)
        elif word.startswith(f"{FLAG}="):
            path = Path(word.partition("=")[2])
        else:
            rest.append(word)
    return path, rest


def recipe(name: Annotated[str, typer.Argument(help="model")]) -> None:
    """Print the recipe by which a model was trained, for `flowgen train --recipe`."""
    from flowgen import library
    from flowgen.training.recipe_file import recipe_of

    typer.echo(str(recipe_of(library.describe(name))), nl=False)
