"""A codec: images in as many bits as an autoregressive model claims for them, and back without loss.

The same cached pass writes and reads. Rounding decides its probabilities to the last digit, so whatever sways the
rounding is fixed: batches are padded to one size, and the file's header holds the threads and the device.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import constriction
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flowgen.errors import FlowgenError
from flowgen.evaluation.compressed import Header, pack, unpack
from flowgen.models.autoregressive import Autoregressive
from flowgen.models.image_model import ImageModel, check_levels

__all__ = ["compress", "decompress"]

BATCH_SIZE = 50
DIGITS = 32  # hexadecimal ones kept of a SHA-256: 128 bits rule chance out, and a header counts as size

# In fixed point of 24 bits. No level gets less than 2^-24: each can be coded, however rare the model holds it.
_FAMILY = constriction.stream.model.Categorical(perfect=False)

_Place = tuple[slice | int, ...]
_Symbols = NDArray[np.int32]
_Code = Callable[[_Place, NDArray[np.float64]], _Symbols]
_Progress = Callable[[int], object]


def compress(
    model: ImageModel,
    levels: Tensor,
    *,
    name: str,
    batch_size: int = BATCH_SIZE,
    progress: _Progress | None = None,
) -> bytes:
    """Compress images by range coding with the model's own probabilities, in -sum log2 mass bits and a header.

    Args:
        model: an autoregressive one.
        levels: integers, (n, *event_shape), on any device.
        name: of the model, for the header.
        batch_size: images a pass.
        progress: called with the number of images of each batch when it is done.

    Raises:
        FlowgenError: if the model's mass is not exact, there are no images, or they do not fit the model.
    References:
        Range encoding: an algorithm for removing redundancy from a digitised message (Martin, 1979)
    """
    model = _exact(model, name)
    if not len(levels):
        raise FlowgenError("There are no images to compress; give at least one.")
    check_levels(levels, model.event_shape, model.levels)
    pixels = levels.cpu().to(torch.uint8).numpy()
    encoder = constriction.stream.queue.RangeEncoder()

    def code(at: _Place, probabilities: NDArray[np.float64]) -> _Symbols:
        symbols = pixels[at].astype(np.int32)
        encoder.encode(symbols, _FAMILY, probabilities)
        return symbols

    header = _describe(model, name, pixels, batch_size)
    _scan(model, header, code, progress)
    return pack(header, encoder.get_compressed().astype("<u4").tobytes())


def decompress(content: bytes, model: ImageModel, *, name: str, progress: _Progress | None = None) -> Tensor:
    """The images of a compressed file, (n, *event_shape) uint8 on the CPU, exactly as they were.

    Args:
        content: the file.
        model: the one that it was compressed with.
        name: of the model given, for error messages.
        progress: called with the number of images of each batch when it is done.

    Raises:
        FlowgenError: if the file is not whole, the model or its device is not the file's, or the images do not come
            back as they were; nothing is returned then.
    """
    header, words = unpack(content)
    model = _exact(model, name)
    _check_same(model, name, header)
    decoder = constriction.stream.queue.RangeDecoder(np.frombuffer(words, "<u4").astype(np.uint32))
    pixels = np.zeros((header.num_images, *header.event_shape), np.uint8)

    def code(at: _Place, probabilities: NDArray[np.float64]) -> _Symbols:
        symbols: _Symbols = decoder.decode(_FAMILY, probabilities)
        pixels[at] = symbols
        return symbols

    try:
        _scan(model, header, code, progress)
    except AssertionError:  # constriction's word for a code that fits no level
        raise _different(header) from None
    if _digest(pixels.tobytes()) != header.pixels:
        raise _different(header)
    return torch.from_numpy(pixels)


def _scan(model: Autoregressive, header: Header, code: _Code, progress: _Progress | None) -> None:
    """The cached pass over each batch; code(place, probabilities) gives the levels of its images at that place."""
    with _threads(header.threads):
        for start in range(0, header.num_images, header.batch_size):
            images = slice(start, min(start + header.batch_size, header.num_images))
            _scan_batch(model, images, header.batch_size, code)
            if progress is not None:
                progress(images.stop - images.start)


def _scan_batch(model: Autoregressive, images: slice, batch_size: int, code: _Code) -> None:
    count = images.stop - images.start

    def choose(at: tuple[int, int, int], log_probs: Tensor) -> Tensor:
        probabilities = log_probs[:count].exp().cpu().numpy()
        if not np.isfinite(probabilities).all():
            raise FlowgenError("The model's probabilities are not numbers: its weights are damaged; fetch it again.")
        k = torch.zeros(batch_size, dtype=torch.long)  # what pads the batch is black, and costs nothing
        k[:count] = torch.from_numpy(code((images, *at), probabilities))
        return k.to(log_probs.device)

    for _ in model.scan(batch_size, choose):
        pass


def _exact(model: ImageModel, name: str) -> Autoregressive:
    if not isinstance(model, Autoregressive):
        raise FlowgenError(
            f"{name} is a flow: it knows a bound on an image's mass, and a code needs the mass itself. Choose an "
            "autoregressive model, such as a gated_pixelcnn."
        )
    return model


def _describe(model: Autoregressive, name: str, pixels: NDArray[np.uint8], batch_size: int) -> Header:
    return Header(
        model=name,
        weights=_fingerprint(model),
        num_images=len(pixels),
        event_shape=model.event_shape,
        levels=model.levels,
        batch_size=batch_size,
        threads=torch.get_num_threads(),
        device=model.prior.anchor.device.type,
        torch=torch.__version__,
        pixels=_digest(pixels.tobytes()),
    )


def _check_same(model: Autoregressive, name: str, header: Header) -> None:
    weights, device = _fingerprint(model), model.prior.anchor.device.type
    if weights != header.weights:
        raise FlowgenError(
            f"The file was compressed with the model {header.model!r} (weights {header.weights[:8]}), and the one "
            f"given is {name!r} (weights {weights[:8]}); decompress it with the model that compressed it."
        )
    if device != header.device:
        raise FlowgenError(
            f"The file was compressed on {header.device}, and the model is on {device}, which rounds otherwise; load "
            f"the model on {header.device}."
        )


def _different(header: Header) -> FlowgenError:
    """The file is whole and the weights are the same, so the arithmetic was another."""
    threads = f"{header.threads} thread{'s' if header.threads > 1 else ''}"
    return FlowgenError(
        f"The images did not come back as they were, and none is returned: here {header.model!r} rounds otherwise than "
        f"where the file was compressed, with torch {header.torch} and {threads}; here it is torch "
        f"{torch.__version__}. Decompress it on that machine, with that version."
    )


def _fingerprint(model: Autoregressive) -> str:
    """Of the weights, by name, and of what else tells two models apart that share them."""
    whole = hashlib.sha256(repr((model.event_shape, model.levels, model.label)).encode())
    for name, value in sorted(model.state_dict().items()):
        whole.update(repr((name, str(value.dtype), tuple(value.shape))).encode())
        whole.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return whole.hexdigest()[:DIGITS]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:DIGITS]


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """So many threads of torch meanwhile: how a sum is shared among them decides how it is rounded."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
