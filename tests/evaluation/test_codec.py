"""The codec: every image comes back, in the bits that the model claims, or a sentence says why not."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from flowgen.density import StandardLogistic
from flowgen.errors import FlowgenError
from flowgen.evaluation import bits_per_dim, compress, decompress, read_header
from flowgen.evaluation.compressed import FORMAT, pack, unpack
from flowgen.models import Dequantized, Flow, UniformDequantizer
from flowgen.models.autoregressive import Autoregressive
from flowgen.models.gated_pixelcnn import GatedPixelCNN
from flowgen.models.pixelcnn import PixelCNN

SMALL = {"hidden": 8, "dilations": "1 2", "embedding": 4}
BUILDS: dict[str, Callable[[], Autoregressive]] = {
    "gray": lambda: GatedPixelCNN(**SMALL).build((1, 8, 8), levels=16),
    "plain": lambda: PixelCNN(**SMALL).build((1, 6, 5), levels=256),
    "binary": lambda: GatedPixelCNN(**SMALL, factor="bernoulli").build((1, 4, 4), levels=2),
    "rgb": lambda: GatedPixelCNN(**{**SMALL, "hidden": 9}).build((3, 4, 4), levels=16),
    "logistics": lambda: GatedPixelCNN(**SMALL, factor="logistic_mixture").build((3, 4, 4), levels=256),
    "classes": lambda: GatedPixelCNN(**SMALL, num_classes=3).build((1, 5, 5), levels=16),
    "one class": lambda: GatedPixelCNN(**SMALL, num_classes=3).build((1, 5, 5), levels=16).given(1),
}


def built(key: str, seed: int = 0) -> Autoregressive:
    """Untrained, with weights large enough that its conditionals differ from each other."""
    torch.manual_seed(seed)
    model = BUILDS[key]()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.5)
    return model.requires_grad_(False).eval()


def images(model: Autoregressive, n: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(model.levels, (n, *model.event_shape), generator=generator, dtype=torch.uint8)


def resealed(content: bytes, *, code: bytes | None = None, **changes: Any) -> bytes:
    """The file with another header or range code, and a checksum that fits it."""
    header, words = unpack(content)
    return pack(dataclasses.replace(header, **changes), words if code is None else code)


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("key", BUILDS)
@pytest.mark.parametrize("n", [1, 7, 20])
def test_every_image_comes_back(key: str, n: int) -> None:
    model = built(key)
    levels = images(model, n)
    seen: list[int] = []
    content = compress(model, levels, name="model", batch_size=7, progress=seen.append)
    assert seen == {1: [1], 7: [7], 20: [7, 7, 6]}[n]
    assert compress(model, levels, name="model", batch_size=7) == content
    back = decompress(content, model, name="model")
    assert back.dtype == torch.uint8
    assert torch.equal(back, levels)


@pytest.mark.parametrize("key", BUILDS)
def test_the_size_is_the_claim(key: str) -> None:
    """Of the model's own samples: levels rarer than 2^-24 cost less than is claimed. The header is left out."""
    model = built(key)
    levels = (model.sample(80, seed=1) * model.levels).floor().to(torch.uint8)
    code = unpack(compress(model, levels, name="model"))[1]
    claim = float(bits_per_dim(model, levels).sum()) * levels[0].numel()
    assert 8 * len(code) == pytest.approx(claim, rel=2e-3, abs=64)


def test_a_file_of_many_digits_is_within_half_a_percent_of_the_claim(mnist_levels: Tensor) -> None:
    torch.manual_seed(0)
    model = GatedPixelCNN(**SMALL).build((1, 28, 28)).requires_grad_(False)
    levels = mnist_levels[:100]
    content = compress(model, levels, name="gated_pixelcnn-mnist")
    assert 8 * len(content) == pytest.approx(784 * float(bits_per_dim(model, levels).sum()), rel=5e-3)
    assert torch.equal(decompress(content, model, name="gated_pixelcnn-mnist"), levels)


def test_what_the_model_holds_impossible_can_be_coded() -> None:
    model = built("gray")
    with torch.no_grad():
        model.net.out.bias[0] += 1e4  # level 0, with a probability that float64 cannot tell from 1
    levels = images(model, 3)
    assert float(model.log_mass(levels).max()) < -1e5
    content = compress(model, levels, name="model")
    assert torch.equal(decompress(content, model, name="model"), levels)
    black = torch.zeros_like(levels)
    content = compress(model, black, name="model")
    assert len(unpack(content)[1]) <= 4
    assert torch.equal(decompress(content, model, name="model"), black)


def test_threads_are_the_files_own_and_given_back(threads: None) -> None:
    model = built("gray")
    torch.set_num_threads(2)
    content = compress(model, images(model, 5), name="model")
    assert read_header(content).threads == 2
    torch.set_num_threads(1)
    during: list[int] = []
    decompress(content, model, name="model", progress=lambda _: during.append(torch.get_num_threads()))
    assert during == [2]
    assert torch.get_num_threads() == 1


@pytest.fixture(scope="module")
def content() -> bytes:
    model = built("gray")
    return compress(model, images(model, 7), name="alpha")


def test_the_header_says_what_it_is(content: bytes) -> None:
    header = read_header(content)
    assert (header.model, header.num_images, header.event_shape, header.levels) == ("alpha", 7, (1, 8, 8), 16)
    assert (header.device, header.torch, header.format) == ("cpu", torch.__version__, FORMAT)


def test_no_flipped_bit_passes(content: bytes) -> None:
    model = built("gray")
    header_bits = 8 * 24
    later = np.random.default_rng(0).integers(header_bits, 8 * len(content), 200)
    for bit in [*range(header_bits), *later]:
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(FlowgenError, match=r"not a file|cut short|damaged"):
            decompress(bytes(flipped), model, name="alpha")


def test_a_flipped_bit_under_a_forged_checksum_returns_no_image(content: bytes) -> None:
    """What the checksum of the file would let pass, that of the images does not."""
    model = built("gray")
    code = unpack(content)[1]
    for bit in np.random.default_rng(0).integers(0, 8 * (len(code) - 4), 20):
        flipped = bytearray(code)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(FlowgenError, match="none is returned"):
            decompress(resealed(content, code=bytes(flipped)), model, name="alpha")


def test_a_file_cut_short_anywhere_is_refused(content: bytes) -> None:
    for size in range(len(content)):
        with pytest.raises(FlowgenError, match="cut short" if size >= 8 else "not a file"):
            read_header(content[:size])
    with pytest.raises(FlowgenError, match="damaged"):
        read_header(content + b"\0")


@pytest.mark.parametrize("other", [b"", b"\x89PNG\r\n\x1a\n" + bytes(100), b"FlowGem\n" + bytes(100)])
def test_another_kind_of_file_is_refused(other: bytes) -> None:
    with pytest.raises(FlowgenError, match="not a file that `flowgen compress` wrote"):
        read_header(other)


def test_a_newer_format_is_refused(content: bytes) -> None:
    with pytest.raises(FlowgenError, match=rf"format {FORMAT + 1}, and this version reads up to {FORMAT}; update"):
        read_header(resealed(content, format=FORMAT + 1))


def test_a_header_that_makes_no_sense_is_refused(content: bytes) -> None:
    good = resealed(content)
    assert good == content
    for bad in ({"num_images": "7"}, {"event_shape": 8}, {"batch_size": "5"}, {"event_shape": ("a", 8, 8)}):
        header, code = unpack(content)
        for key, value in bad.items():
            object.__setattr__(header, key, value)
        with pytest.raises(FlowgenError, match="header cannot be read"):
            read_header(pack(header, code))


@pytest.mark.parametrize("other", [built("gray", seed=1), built("binary"), built("classes").given(0)])
def test_another_model_is_named(content: bytes, other: Autoregressive) -> None:
    with pytest.raises(
        FlowgenError, match=r"compressed with the model 'alpha' .* given is 'beta' .* decompress it with"
    ):
        decompress(content, other, name="beta")


def test_each_class_is_another_model() -> None:
    model = built("classes")
    content = compress(model.given(0), images(model, 2), name="alpha")
    assert torch.equal(decompress(content, model.given(0), name="alpha"), images(model, 2))
    for other in (model, model.given(1)):
        with pytest.raises(FlowgenError, match="compressed with the model"):
            decompress(content, other, name="alpha")


def test_another_structure_with_the_same_weights_returns_no_image(content: bytes) -> None:
    model = built("gray")
    other = GatedPixelCNN(**{**SMALL, "dilations": "2 1"}).build((1, 8, 8), levels=16)
    other.load_state_dict(model.state_dict())
    with pytest.raises(FlowgenError, match=r"none is returned.*torch"):
        decompress(content, other, name="alpha")


def test_another_device_is_refused(content: bytes) -> None:
    with pytest.raises(FlowgenError, match=r"compressed on cuda, and the model is on cpu.*load the model on cuda"):
        decompress(resealed(content, device="cuda"), built("gray"), name="alpha")


def test_a_flow_is_refused(content: bytes) -> None:
    flow = Dequantized(Flow(StandardLogistic((4,)), torch.nn.Identity(), (1, 2, 2)), UniformDequantizer(256))
    for call in (
        lambda: compress(flow, torch.zeros(1, 1, 2, 2, dtype=torch.uint8), name="glow-mnist"),
        lambda: decompress(content, flow, name="glow-mnist"),
    ):
        with pytest.raises(FlowgenError, match=r"glow-mnist is a flow.*autoregressive"):
            call()


@pytest.mark.parametrize(
    ("levels", "sentence"),
    [
        (torch.zeros(0, 1, 8, 8, dtype=torch.uint8), "no images"),
        (torch.zeros(2, 1, 8, 7, dtype=torch.uint8), "shape"),
        (torch.full((2, 1, 8, 8), 16), "from 0 to 15"),
        (torch.zeros(2, 1, 8, 8), "integer levels"),
    ],
)
def test_what_is_no_image_of_the_models_is_refused(levels: Tensor, sentence: str) -> None:
    with pytest.raises(FlowgenError, match=sentence):
        compress(built("gray"), levels, name="model")


def test_a_model_without_numbers_is_refused() -> None:
    model = built("gray")
    next(model.parameters()).fill_(float("nan"))
    with pytest.raises(FlowgenError, match="not numbers"):
        compress(model, images(model, 1), name="model")
