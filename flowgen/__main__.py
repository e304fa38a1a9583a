"""The command line: `flowgen`, or `python -m flowgen`."""

import sys

import typer

from flowgen.commands import codec, edit, images, inpaint, models, push, recipe, space, train
from flowgen.errors import FlowgenError

__all__ = ["main"]

app = typer.Typer(
    help="Image models with exact likelihoods: train, sample, interpolate, inpaint, evaluate, compress, deploy.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # an error is a line, not a box
    add_completion=False,
)
app.command()(models.models)
app.add_typer(train.app, name="train")
app.command()(recipe.recipe)
app.command()(images.sample)
app.command()(images.interpolate)
app.command()(edit.attributes)
app.command()(edit.edit)
app.command()(inpaint.inpaint)
app.command()(models.evaluate)
app.command()(codec.compress)
app.command()(codec.decompress)
app.command()(push.push)
app.add_typer(space.app, name="space")


def main() -> None:
    """Run the command line; what a person can mend is one sentence on stderr and exit code 2."""
    try:
        app()
    except FlowgenError as error:
        typer.echo(f"flowgen: {error}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
