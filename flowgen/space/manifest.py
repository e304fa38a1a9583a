"""The Spacefile's schema, version 1: what each section holds. A key that is not here is an error."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, model_validator

from flowgen.space.limits import GPUTime, Limits

__all__ = ["VERSION", "Card", "Hardware", "Listed", "Manifest", "Runtime", "Variable"]

VERSION = 1

Color = Literal["red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Revision = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
WeightsFile = Annotated[str, Field(pattern=r"^checkpoints/[\w.-]+\.safetensors$")]
HubPath = Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+/[\w.-]+$")]


class Section(BaseModel):
    """A part of the Spacefile: its keys are known, its values are not converted, and it does not change."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Card(Section):
    """How the Space presents itself.

    Attributes:
        title, emoji, short_description: on its card; the Hub cuts a description after 60 characters.
        color_from, color_to: of the card's background.
        tags: by which it is found.
        licence: of the code, as the Hub spells it.
    """

    title: str
    emoji: str
    color_from: Color
    color_to: Color
    short_description: Annotated[str, Field(max_length=60)]
    tags: list[str] = []
    licence: str


class Runtime(Section):
    """What it runs on.

    Attributes:
        gradio: the one version that is installed.
        python: such as "3.12", in quotes.
        app_file: what is run.
        apt: Debian packages, for packages.txt.
    """

    gradio: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    python: Annotated[str, Field(pattern=r"^3\.\d+(\.\d+)?$")]
    app_file: Annotated[str, Field(pattern=r"^[\w-]+\.py$")]
    apt: list[str] = []


class Hardware(Section):
    """What it is deployed on, and what a request asks of ZeroGPU there."""

    flavor: Literal["cpu-basic", "zero-a10g"] = "cpu-basic"
    zerogpu: GPUTime = GPUTime()


class Listed(Section):
    """A model of the Space, with what its file is held to.

    Attributes:
        file: path in the repository, checkpoints/NAME.safetensors; or
        hub: owner/repo/name, and the commit as its revision.
        sha256, bytes: of the file.
        dataset, licence, bits_per_dim: as its header says; bits_per_dim as measured by `flowgen evaluate --record`.
    """

    file: WeightsFile | None = None
    hub: HubPath | None = None
    revision: Revision | None = None
    sha256: Sha256
    bytes: PositiveInt
    dataset: str
    licence: str
    bits_per_dim: PositiveFloat

    @model_validator(mode="after")
    def _has_one_place(self) -> Self:
        if (self.file is None) == (self.hub is None):
            raise ValueError("a model has either a file or a hub path")
        if (self.hub is None) != (self.revision is None):
            raise ValueError("a hub path, and nothing else, has a revision")
        return self

    @property
    def repo(self) -> str:
        """Of a hub path, owner/repo."""
        return (self.hub or "").rpartition("/")[0]

    @property
    def name(self) -> str:
        """What the studio calls it."""
        return (self.file or self.hub or "").rsplit("/", 1)[-1].removesuffix(".safetensors")


class Variable(Section):
    """An environment variable that the studio reads, and the value that it has on the Space, if any."""

    purpose: str
    value: str | None = None


class Manifest(Section):
    """The Spacefile."""

    version: Literal[1]
    card: Card
    runtime: Runtime
    hardware: Hardware = Hardware()
    limits: Limits = Limits()
    environment: dict[str, Variable] = {}
    models: list[Listed] = []
