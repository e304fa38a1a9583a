"""Files that endpoints return, kept where they are deleted when they have grown old, or are too many."""

from gradio.processing_utils import save_bytes_to_cache

from flowgen.errors import FlowgenError
from flowgen.ui.cache import folder

__all__ = ["NO_ROOM", "save"]

NO_ROOM = "The server has no room for files at the moment; what needs none goes on. Try again in a few minutes."


def save(content: bytes, name: str) -> str:
    """Write a result and give its path; the folder is named after the content, so that equal results share a file.

    Raises:
        FlowgenError: if it cannot be written.
    """
    try:
        path: str = save_bytes_to_cache(content, name, str(folder()))
    except OSError:
        raise FlowgenError(NO_ROOM) from None
    return path
