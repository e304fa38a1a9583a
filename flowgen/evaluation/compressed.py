"""A compressed file: what it holds, and whether all of it is there as it was written.

    magic | size of the file, 8 bytes | CRC-32 of the rest, 4 | size of the header, 4 | header, JSON | range code

Integers are little-endian, also the range code's, which are of 32 bits.
"""

import json
import math
import struct
import zlib
from dataclasses import asdict, dataclass

from flowgen.errors import FlowgenError

__all__ = ["FORMAT", "MAGIC", "Header", "pack", "read_header", "unpack"]

MAGIC = b"FlowGen\n"
FORMAT = 1

_PREFIX = struct.Struct("<8sQI")
_LENGTH = struct.Struct("<I")


@dataclass(frozen=True)
class Header:
    """What a compressed file says of itself.

    Attributes:
        model: its name.
        weights: digest of the model.
        num_images: how many.
        event_shape: (c, h, w).
        levels: values a pixel takes.
        batch_size: images of each pass, the last one padded.
        threads: of torch, on the CPU.
        device: cpu or cuda.
        torch: the version.
        pixels: digest of the images.
    """

    model: str
    weights: str
    num_images: int
    event_shape: tuple[int, ...]
    levels: int
    batch_size: int
    threads: int
    device: str
    torch: str
    pixels: str
    format: int = FORMAT

    def __post_init__(self) -> None:
        if min(self.num_images, self.batch_size, self.threads, math.prod(self.event_shape)) < 1:
            raise ValueError("a count is not positive")


def pack(header: Header, code: bytes) -> bytes:
    """The file of a header and a range code."""
    text = json.dumps(asdict(header), separators=(",", ":")).encode()
    rest = _LENGTH.pack(len(text)) + text + code
    return _PREFIX.pack(MAGIC, _PREFIX.size + len(rest), zlib.crc32(rest)) + rest


def unpack(content: bytes) -> tuple[Header, bytes]:
    """The header and the range code of a file.

    Raises:
        FlowgenError: if it is no such file, cut short, damaged, or of a newer format.
    """
    rest = _checked(content)
    start = _LENGTH.size + _LENGTH.unpack_from(rest)[0]
    try:
        facts = json.loads(rest[_LENGTH.size : start])
        if facts["format"] <= FORMAT:
            return Header(**{**facts, "event_shape": tuple(facts["event_shape"])}), rest[start:]
    except (ValueError, TypeError, KeyError):
        raise FlowgenError("The compressed file's header cannot be read; compress the images again.") from None
    raise FlowgenError(
        f"The compressed file has format {facts['format']}, and this version reads up to {FORMAT}; update flowgen."
    )


def read_header(content: bytes) -> Header:
    """What a compressed file says of itself; fails as unpack does."""
    return unpack(content)[0]


def _checked(content: bytes) -> bytes:
    """What follows the prefix."""
    if not content.startswith(MAGIC):
        raise FlowgenError("This is not a file that `flowgen compress` wrote: it does not begin like one.")
    least = _PREFIX.size + _LENGTH.size
    size = max(least, _PREFIX.unpack_from(content)[1]) if len(content) >= least else least
    if len(content) < size:
        raise FlowgenError(
            f"The compressed file is cut short: it should have at least {size} bytes, and has {len(content)}; copy it "
            "again from where it came."
        )
    rest = content[_PREFIX.size :]
    if len(content) > size or zlib.crc32(rest) != _PREFIX.unpack_from(content)[2]:
        raise FlowgenError(
            "The compressed file is damaged: its bytes do not fit its checksum; copy it again from where it came."
        )
    return rest
