"""The models of the Spacefile that are on the Hub: fetched at one commit, and held to their checksum."""

import logging
from pathlib import Path

from flowgen import library
from flowgen.errors import FlowgenError
from flowgen.space.manifest import Listed, Manifest

__all__ = ["fetch", "from_hub"]

log = logging.getLogger(__name__)


def from_hub(manifest: Manifest) -> dict[str, Path]:
    """The files of the models that the Spacefile lists by a hub path; one that cannot be had is noted in the log."""
    found = {}
    for model in manifest.models:
        if model.hub:
            try:
                found[model.name] = fetch(model)
            except FlowgenError as error:
                log.warning("a model is not offered: %s", error)
    return found


def fetch(model: Listed) -> Path:
    """The file of one of them.

    Raises:
        FlowgenError: if it cannot be had, or is another one than the Spacefile says.
    """
    path = library.find(f"hf:{model.hub}@{model.revision}")
    if library.fingerprint(path) != model.sha256:
        raise FlowgenError(f"hf:{model.hub}@{model.revision} is not the file that the Spacefile lists, by its sha256.")
    return path
