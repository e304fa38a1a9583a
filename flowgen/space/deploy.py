"""Creating a Space on the Hub, or bringing one up to date."""

from pathlib import Path

from flowgen.hub import create, publish, sentences
from flowgen.space.files import FOLDERS, needed
from flowgen.space.manifest import Manifest

__all__ = ["deploy"]


def deploy(root: Path, manifest: Manifest, space: str, *, private: bool = False) -> str:
    """Make the Space what the Spacefile says: hardware, variables and files, the latter in one commit.

    Args:
        root: the repository.
        manifest: its Spacefile, which has been checked.
        space: owner/name.
        private: whether a Space that is new is only for its owner to see.

    Returns:
        The Space's address.

    Raises:
        FlowgenError: if the Hub refuses.
    """
    from huggingface_hub import HfApi, SpaceHardware

    api, flavor = HfApi(), SpaceHardware(manifest.hardware.flavor)
    values = {name: variable.value for name, variable in manifest.environment.items() if variable.value is not None}
    variables = [{"key": key, "value": value} for key, value in values.items()]
    address = create(
        space, "space", private=private, space_sdk="gradio", space_hardware=flavor, space_variables=variables
    )
    with sentences(space):  # what a Space that was there already has otherwise; each change restarts it
        there = api.get_space_variables(space)
        for key, value in values.items():
            if key not in there or there[key].value != value:
                api.add_space_variable(space, key, value)
        runtime = api.get_space_runtime(space)
        if (runtime.requested_hardware or runtime.hardware) != flavor:
            api.request_space_hardware(space, flavor)
    files: dict[str, Path | bytes] = {path: root / path for path in needed(root, manifest)}
    publish(space, "space", files, f"Deploy {manifest.card.title}", stale=FOLDERS)
    return address
