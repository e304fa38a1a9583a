"""Command-line flags from the fields of frozen dataclasses: name, type, default, help and range are written once."""

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any, get_type_hints

import typer

__all__ = ["build_from", "with_flags"]


def with_flags(command: Callable[..., None], *sources: type[Any]) -> Callable[..., None]:
    """The command with a flag for each field of the dataclasses, handed to it as keyword arguments.

    Args:
        command: takes its own parameters, and the fields' values by `**flags`.
        sources: dataclasses; where two have a field of one name, the first one's stands.
    """
    signature = inspect.signature(command)
    own = [
        parameter.replace(annotation=hint)
        for parameter in signature.parameters.values()
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD
        for hint in [get_type_hints(command, include_extras=True)[parameter.name]]
    ]
    flags: dict[str, inspect.Parameter] = {}
    for source in sources:
        for field in dataclasses.fields(source):
            flags.setdefault(field.name, _flag(field, get_type_hints(source)[field.name]))
    parameters = [*own, *flags.values()]

    def run(**values: Any) -> None:
        command(**values)

    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def build_from(source: type[Any], flags: Mapping[str, Any]) -> Any:
    """The dataclass with those of the flags that are its fields."""
    return source(**{field.name: flags[field.name] for field in dataclasses.fields(source)})


def _flag(field: "dataclasses.Field[Any]", hint: Any) -> inspect.Parameter:
    limits = {key: field.metadata[key] for key in ("min", "max") if key in field.metadata}
    option = typer.Option(help=field.metadata.get("help"), **limits)
    return inspect.Parameter(
        field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=Annotated[hint, option]
    )
