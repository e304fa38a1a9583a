"""Files that endpoints return, kept where Gradio deletes what has grown old."""

from gradio.processing_utils import save_bytes_to_cache
from gradio.utils import get_upload_folder

__all__ = ["save"]


def save(content: bytes, name: str) -> str:
    """Write a result and give its path; the folder is named after the content, so that equal results share a file."""
    path: str = save_bytes_to_cache(content, name, get_upload_folder())
    return path
