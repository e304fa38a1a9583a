"""`flowgen inpaint`: fill in one picture, or all the pictures of a folder."""

import ast
import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flowgen.checkpoint import write_atomically
from flowgen.commands.bar import bar
from flowgen.commands.images import Device, Json, Model, Seed, check_picture_name, open_named, report, write
from flowgen.data import pictures
from flowgen.errors import FlowgenError

if TYPE_CHECKING:
    from flowgen.inference import Frame, Result
    from flowgen.models import ImageModel

__all__ = ["Filling", "inpaint"]


def inpaint(
    name: Model,
    image: Annotated[Path, typer.Option(help="picture to fill in, or a folder of pictures")],
    mask: Annotated[
        Path,
        typer.Option(
            help="white where to fill in, as large as the picture or as what the model sees; for a folder also one"
        ),
    ],
    output: Annotated[Path, typer.Option(help="PNG to write; for a folder of pictures, the folder of results")],
    archive: Annotated[
        Path | None,
        typer.Option(help="zip to write as well: completions, mean, deviation, animation, trace, settings"),
    ] = None,
    method: Annotated[
        str,
        typer.Option(help="how to fill it in; by default the first that fits the model, and a wrong one lists them"),
    ] = "",
    num: Annotated[int, typer.Option(help="how many variants", min=1)] = 1,
    steps: Annotated[int, typer.Option(help="how many steps", min=1)] = 100,
    seed: Seed = 0,
    option: Annotated[
        list[str] | None, typer.Option(help="a parameter of the method, NAME=VALUE; may be repeated")
    ] = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Fill in what a mask hides; the pixels outside it come back byte for byte. Ctrl+C keeps what came so far.

    Of a folder, each picture NAME leaves NAME.png and NAME.zip. A run that was killed goes on where it stood when the
    same command is given again, and `accelerate launch -m flowgen inpaint ...` shares the pictures among processes.
    """
    from flowgen.commands.folder import fill_folder

    filling = Filling(name, method, num, steps, seed, tuple(map(_option, option or [])))
    if image.is_dir():
        if archive is not None:
            raise FlowgenError("Of a folder every picture has its archive in the output; leave --archive out.")
        fill_folder(filling, image, mask, output, device, as_json=as_json)
    else:
        _fill_one(filling, image, mask, output, archive, device, as_json=as_json)


def _fill_one(
    filling: "Filling", image: Path, mask: Path, output: Path, archive: Path | None, device: str, *, as_json: bool
) -> None:
    check_picture_name(output)
    if archive is not None and archive.suffix.lower() != ".zip":
        raise FlowgenError(f"The archive {archive} must end in .zip.")
    filling, model = filling.begin(device)
    started = time.perf_counter()
    with bar(None, "step", show=not as_json) as shown:

        def progress(frame: "Frame") -> None:
            shown.total = frame.num_steps
            shown.update(frame.step - shown.n)

        result, last = filling.fill(model, image, mask, progress, keep=True)
    write(output, pictures.grid(result.completions, levels=model.levels))
    if archive is not None:
        write_atomically(archive, result.archive())
    report(
        as_json,
        model=filling.model,
        method=filling.method,
        num=filling.num,
        steps=filling.steps,
        seed=filling.seed,
        log_density=last.log_density.tolist(),
        rejected=last.rejected,
        seconds=time.perf_counter() - started,
        diagnostics=result.facts()["diagnostics"],
        output=str(output),
        archive=None if archive is None else str(archive),
    )
    if not as_json:
        typer.echo(result.diagnostics.verdict)


@dataclasses.dataclass(frozen=True)
class Filling:
    """How pictures are to be filled in.

    Args:
        model: a name, a path, or hf:<owner>/<repo>/<name>.
        method: a name in METHODS; empty before `begin` for the usual one.
        num, steps, seed, options: as `complete` takes them; options as pairs.
    """

    model: str
    method: str
    num: int
    steps: int
    seed: int
    options: tuple[tuple[str, Any], ...] = ()

    def begin(self, device: Any) -> "tuple[Filling, ImageModel]":
        """The same with its method chosen, and the model.

        Raises:
            FlowgenError: if there is no such model or option, or the method does not fit.
        """
        from flowgen import library
        from flowgen.inference import methods_of

        model = library.load(self.model, device)
        return dataclasses.replace(self, method=self.method or methods_of(model)[0]), model

    def settings(self) -> dict[str, Any]:
        """All that decides what comes out, as JSON holds it.

        Raises:
            FlowgenError: if there is no such method or option.
        """
        from flowgen import library
        from flowgen.hyperparameters import configure
        from flowgen.inference import METHODS

        if self.method not in METHODS:
            raise FlowgenError(f"There is no method {self.method!r}; choose one of: {', '.join(METHODS)}.")
        options = dataclasses.asdict(configure(METHODS[self.method], dict(self.options)))
        asked = {"method": self.method, "options": options, "num": self.num, "steps": self.steps, "seed": self.seed}
        return {"model": self.model, "model_sha256": library.fingerprint(library.find(self.model)), **asked}

    def fill(
        self, model: "ImageModel", image: Path, mask: Path, progress: "Callable[[Frame], object]", *, keep: bool = False
    ) -> "tuple[Result, Frame]":
        """Fill in one picture.

        Args:
            model: of `begin`.
            image, mask: pictures of one size.
            progress: called at every step.
        keep: whether to keep what came so far when the person interrupts the run.

        Raises:
            FlowgenError: for anything out of order.
        """
        from flowgen.inference import METHODS, Recorder, complete

        picture, hole = open_named("--image", image), open_named("--mask", mask)
        levels = pictures.to_levels(picture, model.event_shape, levels=model.levels)
        known = pictures.mask_to_known(hole, picture.size, model.event_shape)
        asked: dict[str, Any] = {"num": self.num, "steps": self.steps, "seed": self.seed}
        frames = complete(model, levels, known, method=self.method, options=dict(self.options), **asked)
        recorder = Recorder(levels, known, model.levels, METHODS[self.method])
        try:
            for frame in recorder.watch(frames):
                progress(frame)
        except KeyboardInterrupt:
            if not keep or recorder.last is None:
                raise
        assert recorder.last is not None
        return recorder.result({"image": image.name, **self.settings()}), recorder.last


def _option(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise FlowgenError(f"--option {text} should read NAME=VALUE.")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value
