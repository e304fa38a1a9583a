"""Links that reproduce a result: the seed and the settings in the address, never a picture that somebody uploaded."""

import base64
import binascii
import html
from typing import Any
from urllib.parse import urlencode

from flowgen.errors import FlowgenError
from flowgen.ui.view import note

__all__ = ["NO_LINK", "copy_link", "packed", "unpacked"]

NO_LINK = note("A link cannot hold your picture: download the result to keep it.")


def copy_link(tab: str, **values: Any) -> str:
    """A link to the page with a tab's controls as they were; a click copies it."""
    query = urlencode({"tab": tab} | {name: value for name, value in values.items() if value is not None})
    return f'<a href="?{html.escape(query, quote=True)}" data-copy>Copy link</a>'


def packed(mask: str) -> str:
    """A mask, a character a pixel, "1" where it hides, in a sixth of the length.

    >>> packed("0110")
    'YA'
    """
    bits = mask + "0" * (-len(mask) % 8)
    content = bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def unpacked(text: Any, length: int) -> str:
    """The mask of so many pixels that was packed.

    Raises:
        FlowgenError: if it is none.
    """
    try:
        padded = str(text) + "=" * (-len(str(text)) % 4)
        bits = "".join(f"{byte:08b}" for byte in base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        bits = ""
    if not length <= len(bits) < length + 8:
        raise FlowgenError("The link's mask is not one of this model's: paint it again.")
    return bits[:length]
