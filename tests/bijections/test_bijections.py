"""Every bijection, on images and on vectors: its inverse, its log-determinant, its gradients."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from flowgen.bijections import (
    ActNorm,
    AdditiveCoupling,
    AffineCoupling,
    Alternate,
    Bijection,
    Chain,
    Checkerboard,
    Flatten,
    Halves,
    Inverse,
    InvertibleConv1x1,
    Logit,
    Mask,
    MixtureCDF,
    MixtureCoupling,
    Permutation,
    Scaling,
    Split,
    Squeeze,
    Steps,
)
from flowgen.bijections.logistics import curve, solve
from flowgen.nets import MLP, ConvNet, ResNet

IMAGE, VECTOR = (4, 4, 6), (7,)


def net(kept: tuple[int, ...], channels: int) -> nn.Module:
    if len(kept) == 1:
        return MLP(kept[0], channels, hidden=8)
    return ConvNet(kept[0], channels, hidden=8, coordinates=True)


def additive(mask: Mask, shape: tuple[int, ...]) -> Bijection:
    kept, moved = mask.shapes(shape)
    return AdditiveCoupling(mask, net(kept, moved[0]))


def affine(mask: Mask, shape: tuple[int, ...]) -> AffineCoupling:
    kept, moved = mask.shapes(shape)
    return AffineCoupling(mask, net(kept, 2 * moved[0]))


def mixture(mask: Mask, shape: tuple[int, ...]) -> Bijection:
    kept, moved = mask.shapes(shape)
    return MixtureCoupling(mask, net(kept, (2 + 3 * 3) * moved[0]), components=3)


def residual(shape: tuple[int, ...]) -> Bijection:
    kept, moved = Halves().shapes(shape)
    return AffineCoupling(Halves(), ResNet(kept[0], 2 * moved[0], hidden=8, depth=1), bound=1.0)


def split(shape: tuple[int, ...]) -> Bijection:
    stays, leaves = Halves().shapes(shape)
    return Split(affine(Halves(), shape), Chain([InvertibleConv1x1(stays[0]), Flatten(stays)]), leaves)


def step(shape: tuple[int, ...]) -> list[Bijection]:
    return [ActNorm(shape[0]), InvertibleConv1x1(shape[0]), affine(Halves(), shape)]


CASES: dict[str, tuple[tuple[int, ...], Callable[[tuple[int, ...]], Bijection]]] = {
    "actnorm": (IMAGE, lambda shape: ActNorm(shape[0])),
    "actnorm on vectors": (VECTOR, lambda shape: ActNorm(shape[0])),
    "scaling": (IMAGE, Scaling),
    "scaling on vectors": (VECTOR, Scaling),
    "permutation": (IMAGE, lambda shape: Permutation(torch.randperm(shape[0]))),
    "permutation on vectors": (VECTOR, lambda shape: Permutation(torch.randperm(shape[0]))),
    "1x1 convolution": (IMAGE, lambda shape: InvertibleConv1x1(shape[0])),
    "1x1 convolution on vectors": (VECTOR, lambda shape: InvertibleConv1x1(shape[0])),
    "fixed 1x1 convolution": (IMAGE, lambda shape: InvertibleConv1x1(shape[0]).double().frozen()),
    "squeeze": (IMAGE, lambda shape: Squeeze()),
    "flatten": (IMAGE, Flatten),
    "logit": (IMAGE, lambda shape: Logit()),
    "logit without padding": (VECTOR, lambda shape: Logit(0.0)),
    "logit with much padding": (IMAGE, lambda shape: Logit(0.05)),
    "mixture": (IMAGE, lambda shape: MixtureCDF(5)),
    "mixture on vectors": (VECTOR, lambda shape: MixtureCDF(3)),
    "additive, checkerboard": (IMAGE, lambda shape: additive(Checkerboard(), shape)),
    "additive, other checkerboard": (IMAGE, lambda shape: additive(Checkerboard(swap=True), shape)),
    "additive, alternate": (VECTOR, lambda shape: additive(Alternate(), shape)),
    "additive, other alternate": (VECTOR, lambda shape: additive(Alternate(swap=True), shape)),
    "affine, alternate channels": (IMAGE, lambda shape: affine(Alternate(), shape)),
    "affine, halves": (IMAGE, lambda shape: affine(Halves(), shape)),
    "affine, other halves": (IMAGE, lambda shape: affine(Halves(swap=True), shape)),
    "affine, checkerboard": (IMAGE, lambda shape: affine(Checkerboard(), shape)),
    "affine, halves of vectors": (VECTOR, lambda shape: affine(Halves(), shape)),
    "affine, other halves of vectors": (VECTOR, lambda shape: affine(Halves(swap=True), shape)),
    "affine, residual": (IMAGE, residual),
    "mixture, halves": (IMAGE, lambda shape: mixture(Halves(), shape)),
    "mixture, checkerboard": (IMAGE, lambda shape: mixture(Checkerboard(), shape)),
    "mixture, alternate coordinates": (VECTOR, lambda shape: mixture(Alternate(), shape)),
    "split": (IMAGE, split),
    "inverse": (IMAGE, lambda shape: Inverse(affine(Halves(), shape))),
    "steps": (IMAGE, lambda shape: Steps([*step(shape), *step(shape), ActNorm(shape[0])])),
    "steps on vectors": (VECTOR, lambda shape: Steps([*step(shape), *step(shape)])),
    "chain": (
        IMAGE,
        lambda shape: Chain([Logit(), Squeeze(), ActNorm(16), InvertibleConv1x1(16), Flatten((16, 2, 3))]),
    ),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> tuple[Bijection, Tensor]:
    """A bijection with all its parameters away from their start, and a batch of its own support."""
    torch.manual_seed(0)
    shape, make = CASES[request.param]
    bijection = make(shape).double()
    for parameter in bijection.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    return bijection, torch.rand(3, *shape, dtype=torch.float64)


def test_round_trip(case: tuple[Bijection, Tensor]) -> None:
    bijection, x = case
    z, log_det = bijection(x)
    back, log_det_back = bijection.inverse(z)
    assert (back - x).abs().max() < 1e-9
    assert (log_det + log_det_back).abs().max() < 1e-9
    assert log_det.shape == log_det_back.shape == (3,)


def test_log_determinant_is_that_of_the_jacobian(case: tuple[Bijection, Tensor]) -> None:
    bijection, x = case
    _, log_det = bijection(x)
    for i in range(2):
        jacobian = torch.autograd.functional.jacobian(lambda one: bijection(one[None])[0].flatten(), x[i])
        expected = torch.linalg.slogdet(jacobian.reshape(x[i].numel(), x[i].numel())).logabsdet
        assert (log_det[i] - expected).abs() < 1e-8


def test_a_gradient_reaches_every_parameter(case: tuple[Bijection, Tensor]) -> None:
    bijection, x = case
    z, log_det = bijection(x)
    loss = (z.flatten(1).sin().sum(1) + log_det).sum()
    if any(True for _ in bijection.parameters()):
        loss.backward()
    for name, parameter in bijection.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_frozen_is_the_same_map(case: tuple[Bijection, Tensor]) -> None:
    bijection, x = case
    frozen = copy.deepcopy(bijection).frozen()
    z, log_det = bijection(x)
    z_frozen, log_det_frozen = frozen(x)
    assert torch.allclose(z, z_frozen, atol=1e-12)
    assert torch.allclose(log_det, log_det_frozen, atol=1e-10)
    assert torch.allclose(frozen.inverse(z)[0], x, atol=1e-9)


def test_initialize_returns_what_comes_next(case: tuple[Bijection, Tensor]) -> None:
    bijection, x = case
    assert torch.allclose(bijection.initialize(x), bijection(x)[0], atol=1e-12)


def test_actnorm_starts_with_mean_0_and_variance_1() -> None:
    x = 5 + 3 * torch.randn(64, 4, 5, 5, dtype=torch.float64)
    z = ActNorm(4).double().initialize(x)
    channels = z.transpose(0, 1).flatten(1)
    assert channels.mean(1).abs().max() < 1e-9
    assert (channels.std(1, correction=0) - 1).abs().max() < 1e-9


def test_a_constant_channel_gets_no_infinite_scale() -> None:
    assert ActNorm(2).initialize(torch.ones(8, 2, 3, 3)).isfinite().all()
    assert Scaling((3,)).initialize(torch.ones(8, 3)).isfinite().all()


def test_a_mixture_bends_what_it_was_fitted_to_into_a_logistic() -> None:
    """Dequantised black and white: in log-odds two one-sided exponentials, far apart, and no affine map is near."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand(64, 1, 28, 28, generator=generator, dtype=torch.float64).clamp(1e-6, 1 - 1e-6)
    white = torch.rand(noise.shape, generator=generator) < 0.2
    x = Logit().double()((white * 255 + noise) / 256)[0]
    u = torch.sigmoid(MixtureCDF(8).double().initialize(x)).flatten()  # uniform, where that is a logistic
    distance = (u.sort().values - torch.linspace(0, 1, len(u), dtype=u.dtype)).abs().max()
    assert distance < 0.03  # Kolmogorov's
    affine = torch.sigmoid(ActNorm(1).double().initialize(x) * 1.8).flatten()
    assert (affine.sort().values - torch.linspace(0, 1, len(u), dtype=u.dtype)).abs().max() > 0.2


def test_a_mixture_is_inverted_far_beyond_its_table_and_at_its_steepest() -> None:
    bijection = MixtureCDF(4).double()
    bijection.log_scales.data.copy_(torch.tensor([-8.0, -3.0, 0.0, 2.0]))
    z = torch.tensor([-1e4, -300.0, -20.0, *torch.linspace(-16, 16, 4001).tolist(), 20.0, 300.0, 1e4])
    z = z.double()[None]
    assert torch.allclose(bijection(bijection.inverse(z)[0])[0], z, rtol=1e-9, atol=1e-9)


def test_a_mixture_is_inverted_through_a_step_that_newton_jumps_over() -> None:
    """One narrow component between wide ones: from either side Newton's step leads to the other."""
    log_weights = torch.tensor([-1.34, -0.95, -1.76, -1.70]).double().log_softmax(0)
    means = torch.tensor([-1.83, 0.29, 0.24, 3.06]).double()
    for narrow in (-2.54, -5.0, -8.0):
        mixture = (log_weights, means, torch.tensor([-0.43, -0.55, narrow, -0.69]).double())
        x = torch.linspace(-4, 4, 4001).double()
        z, log_slope, _ = curve(x, *mixture)
        assert (log_slope.exp() * (solve(z, *mixture) - x)).abs().max() < 1e-9
        single = tuple(part.float() for part in mixture)
        back = solve(z.float(), *single)
        assert (curve(back, *single)[0] - z.float()).abs().max() < 1e-3


def test_steps_are_the_chain_of_their_links() -> None:
    """And are called by the same names in a checkpoint."""
    torch.manual_seed(0)
    links = [*step(IMAGE), *step(IMAGE), ActNorm(IMAGE[0])]
    chain, steps = Chain(links).double(), Steps(links).double()
    for parameter in chain.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    x = torch.randn(3, *IMAGE, dtype=torch.float64)
    for one, other in zip(chain(x), steps(x), strict=True):
        assert torch.allclose(one, other, atol=1e-12)
    assert len(steps.applied()) == 5
    assert steps.state_dict().keys() == chain.state_dict().keys()


def test_affine_coupling_keeps_its_bound() -> None:
    coupling = AffineCoupling(Halves(), nn.Identity(), bound=0.5)
    _, log_det = coupling.transform(torch.randn(4, 2, 1, 1), torch.full((4, 4, 1, 1), 1e30))
    assert log_det.max() <= 2 * 0.5
    assert log_det.min() > 0.99


def test_couplings_start_as_the_identity() -> None:
    x = torch.randn(2, *IMAGE)
    for mask in (Halves(), Checkerboard(), Alternate()):
        z, log_det = affine(mask, IMAGE)(x)
        assert torch.equal(z, x)
        assert torch.equal(log_det, torch.zeros(2))


def test_a_checkerboard_keeps_the_pixels_whose_row_and_column_add_up_to_an_even_number() -> None:
    kept, moved = Checkerboard().split(torch.arange(16.0).view(1, 1, 4, 4))
    assert sorted(kept.flatten().tolist()) == [0, 2, 5, 7, 8, 10, 13, 15]
    assert sorted(moved.flatten().tolist()) == [1, 3, 4, 6, 9, 11, 12, 14]


def test_a_1x1_convolution_starts_as_a_rotation() -> None:
    weight = InvertibleConv1x1(6).double().weight()
    assert torch.allclose(weight @ weight.mT, torch.eye(6, dtype=torch.float64), atol=1e-6)


def test_mixed_precision_leaves_the_bijections_exact() -> None:
    x = torch.rand(2, 4, 4, 6)
    bijection = Chain([ActNorm(4), InvertibleConv1x1(4)])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        z, _ = bijection(x)
        back, _ = bijection.inverse(z)
    assert z.dtype == torch.float32
    assert torch.allclose(back, x, atol=1e-5)


@pytest.mark.parametrize("alpha", [-0.1, 0.5])
def test_logit_refuses_an_impossible_padding(alpha: float) -> None:
    with pytest.raises(ValueError, match="alpha"):
        Logit(alpha)


def test_permutation_refuses_what_is_none() -> None:
    with pytest.raises(ValueError, match="no permutation"):
        Permutation(torch.tensor([0, 2]))


def test_logit_is_as_precise_at_white_as_at_black() -> None:
    x = torch.tensor([[2.0**-23], [1 - 2.0**-23]])
    z, _ = Logit()(x)
    assert torch.allclose(z[0], -z[1], rtol=1e-6)
