"""The committed checkpoints on real images: what encode loses, and whether a codec needs the bits that they claim."""

import time
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

import flowgen
from flowgen import library
from flowgen.data import DATASETS, Images, data_root, midpoints
from flowgen.evaluation import bits_per_dim, compress, decompress
from flowgen.inference import complete
from flowgen.models import AUTOREGRESSIVE, FLOWS

DIGITS = [name for name in library.names() if flowgen.describe(name).dataset == "mnist"]
IN_ORDER = [name for name in DIGITS if flowgen.describe(name).recipe in AUTOREGRESSIVE]
AT_ONCE = [name for name in DIGITS if flowgen.describe(name).recipe in FLOWS]


@pytest.fixture(scope="module")
def thousand() -> Tensor:
    """The first 1,000 images of MNIST's test set."""
    if not (data_root() / "MNIST").is_dir():
        pytest.skip("MNIST is not in FLOWGEN_DATA")
    return DATASETS["mnist"]().load("test").levels[:1000]


@pytest.fixture(autouse=True)
def without_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


def changed_bytes(name: str, levels: Tensor) -> int:
    """How many bytes encoding and decoding does not bring back."""
    model, changed = flowgen.load(name, device="cpu").frozen(), 0
    for batch in levels.split(100):
        back = model.decode(model.encode(midpoints(batch, model.levels)))
        changed += int((flowgen.to_bytes(back, model.levels) != batch).sum())
    return changed


@pytest.mark.parametrize("name", DIGITS)
def test_what_is_encoded_is_decoded_byte_for_byte(name: str, mnist: Images) -> None:
    assert changed_bytes(name, mnist.levels[:32]) == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", DIGITS)
def test_a_thousand_digits_are_encoded_and_decoded_byte_for_byte(name: str, thousand: Tensor) -> None:
    assert changed_bytes(name, thousand) == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", IN_ORDER)
def test_a_thousand_digits_take_the_bits_that_the_model_claims(name: str, thousand: Tensor) -> None:
    """All bytes of the file counted, its header included."""
    model = flowgen.load(name, device="cpu")
    claim = float(bits_per_dim(model, thousand).mean())
    content = compress(model, thousand, name=name)
    print(f"{name}: {8 * len(content) / thousand.numel():.4f} bits/dim, claimed {claim:.4f}")
    assert 8 * len(content) / thousand.numel() == pytest.approx(claim, rel=0.005)
    assert torch.equal(decompress(content, model, name=name), thousand)


@pytest.mark.parametrize("name", AT_ONCE)
def test_a_flow_draws_finite_pixels_at_its_own_temperature(name: str) -> None:
    assert flowgen.load(name, device="cpu").frozen().sample(32, seed=1).isfinite().all()


@pytest.mark.parametrize("name", IN_ORDER)
def test_particles_fill_in_a_centred_hole_in_time(name: str, mnist: Images) -> None:
    """64 of them, a hole of 14x14; 10 s on two cores is the bar, and here one thread's own seconds count."""
    model, image = flowgen.load(name, device="cpu"), mnist.levels[1]
    known = torch.ones(28, 28, dtype=torch.bool)
    known[7:21, 7:21] = False
    started = time.process_time()
    *_, last = complete(model, image, known, method="raster_smc", num=1, seed=0, options={"num_particles": 64})
    assert time.process_time() - started < 10
    assert torch.equal(last.levels[:, :, known], image[:, known][None])
    assert last.log_evidence is not None
    mass = float(model.log_mass(image[None]))
    assert float(last.log_density) == pytest.approx(float(model.log_mass(last.levels)), abs=0.05)
    assert float(last.log_density) > 1.5 * mass, "as likely as a digit, more or less"
    assert last.log_evidence > mass, "what is known is likelier than that and one way to fill it in"
