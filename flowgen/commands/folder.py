"""A folder of pictures, filled in one after another: killed, it goes on, and by several processes, it is shared."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from accelerate import PartialState

from flowgen.checkpoint import resolve_device, write_atomically
from flowgen.commands.bar import bar
from flowgen.commands.images import report, write
from flowgen.commands.inpaint import Filling
from flowgen.data import pictures
from flowgen.data.folder import image_paths
from flowgen.errors import FlowgenError

if TYPE_CHECKING:
    from flowgen.models import ImageModel

__all__ = ["fill_folder"]

SETTINGS = "settings.json"


def fill_folder(filling: Filling, images: Path, mask: Path, output: Path, device: str, *, as_json: bool) -> None:
    """Fill in every picture of a folder that has no result yet.

    A picture is done once its archive stands, which is written last and whole. Which process takes which picture
    depends on their order alone, so that none is taken twice whatever is done meanwhile.

    Args:
        filling: how.
        images: the folder of pictures, with all folders below it.
        mask: one mask for all, or a folder of masks of the same names.
        output: the folder of results, which remembers the settings it was begun with.
        device: auto, cpu or cuda.
        as_json: report as one JSON object.

    Raises:
        FlowgenError: before the first picture, if a mask is missing, the one for all hides nothing or everything, two
            pictures have one name, or the output was begun with other settings; at the end, if pictures could not be
            filled in, naming them.
    """
    cpu = resolve_device(device).type == "cpu"
    state = PartialState(cpu=cpu)
    works = _works(images, mask, output)
    filling, model = filling.begin("cpu" if cpu else state.device)
    _check_mask(mask, model)
    with state.main_process_first():
        _check_settings(output, {**filling.settings(), **_mask_settings(mask)})
    own = [work for work in works[state.process_index :: state.num_processes] if not work.archive.exists()]
    failures = _fill_all(filling, model, own, show=state.is_main_process and not as_json)
    state.wait_for_everyone()
    if state.is_main_process:
        done = sum(work.archive.exists() for work in works)
        facts: dict[str, Any] = {"pictures": len(works), "done": done, "output": str(output)}
        report(as_json, **{key: value for key, value in filling.settings().items() if key != "options"}, **facts)
    state.destroy_process_group()
    if failures:
        raise FlowgenError(f"{len(failures)} of {len(own)} pictures could not be filled in. {' '.join(failures[:3])}")


class _Work:
    """A picture, its mask, and where its result goes."""

    def __init__(self, image: Path, mask: Path, output: Path) -> None:
        self.image, self.mask = image, mask
        self.sheet = output.with_name(f"{output.name}.png")
        self.archive = output.with_name(f"{output.name}.zip")


def _works(images: Path, mask: Path, output: Path) -> list[_Work]:
    if output.resolve().is_relative_to(images.resolve()):
        raise FlowgenError(f"The output {output} is within {images}, whose pictures it would add to: choose another.")
    paths = {path: path.relative_to(images).with_suffix("") for path in image_paths(images)}
    _check_names(list(paths.values()))
    if not mask.is_dir():
        return [_Work(path, mask, output / name) for path, name in paths.items()]
    masks = {path.relative_to(mask).with_suffix(""): path for path in image_paths(mask)}
    if missing := [str(name) for name in paths.values() if name not in masks]:
        raise FlowgenError(f"{mask} has no mask for {', '.join(missing[:3])}: it needs one of each picture's name.")
    return [_Work(path, masks[name], output / name) for path, name in paths.items()]


def _check_names(names: Sequence[Path]) -> None:
    twice = sorted({str(name) for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise FlowgenError(f"Two pictures are called {twice[0]}, and would have one result: rename one of them.")


def _check_mask(mask: Path, model: "ImageModel") -> None:
    """Refuse a mask for all that would refuse every picture, before the output is this run's."""
    if not mask.is_dir():
        hole = pictures.open_picture(mask)
        pictures.mask_to_known(hole, hole.size, model.event_shape)


def _mask_settings(mask: Path) -> dict[str, str]:
    if mask.is_dir():
        return {"mask": str(mask.resolve())}
    try:
        return {"mask_sha256": hashlib.sha256(mask.read_bytes()).hexdigest()}
    except OSError as error:
        raise FlowgenError(f"The mask {mask} could not be read: {error.strerror}.") from None


def _check_settings(output: Path, settings: dict[str, Any]) -> None:
    """Remember the settings in a new folder of results; hold a run that goes on to those that it was begun with.

    Raises:
        FlowgenError: naming the first that differs.
    """
    path = output / SETTINGS
    if not path.exists():
        if output.exists() and (not output.is_dir() or any(output.glob("*.zip"))):
            raise FlowgenError(f"{output} holds other things than this run's results: choose a new folder.")
        return write_atomically(path, json.dumps(settings, indent=2).encode())
    try:
        begun = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise FlowgenError(f"{path} cannot be read: delete {output}, or choose another folder.") from None
    for key, value in json.loads(json.dumps(settings)).items():
        if begun.get(key) != value:
            raise FlowgenError(
                f"{output} was begun with {key} {begun.get(key)}, and this run has {value}: give the same settings to "
                "go on, or choose another folder."
            )
    return None


def _fill_all(filling: Filling, model: "ImageModel", works: Sequence[_Work], *, show: bool) -> list[str]:
    """Fill in pictures; a sentence for each that could not be."""
    failures = []
    with bar(len(works), "picture", show=show) as shown:
        for work in works:
            try:
                result, _ = filling.fill(model, work.image, work.mask, lambda frame: None)
                write(work.sheet, pictures.grid(result.completions, levels=model.levels))
                write_atomically(work.archive, result.archive())
            except FlowgenError as error:
                sentence = str(error).removeprefix(f"--image {work.image}: ")
                failures.append(f"{work.image}: {sentence}")
            shown.update()
    return failures
