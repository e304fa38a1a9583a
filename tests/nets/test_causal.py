"""Causal convolutions and nets: exactly which pixels each output sees, and the cached pass, which computes the same."""

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from flowgen.errors import FlowgenError
from flowgen.models.gated_pixelcnn import GatedPixelCNN
from flowgen.nets import AboveConv, CausalNet, GatedPixelCNNNet, LeftConv, PixelCNNNet, Pointwise
from flowgen.nets.causal import RowsAbove

NETS: dict[str, type[GatedPixelCNNNet] | type[PixelCNNNet]] = {"gated": GatedPixelCNNNet, "plain": PixelCNNNet}
COLOURS = [(1, 1), (3, 3), (3, 1)]  # (channels, groups): gray; colours in order; colours that the factor ties itself
LEVELS, CLASSES, PER_GROUP = 5, 4, 4
DEFAULT = tuple(map(int, GatedPixelCNN().dilations.split()))
DILATIONS = [(1,), (2,), (1, 1), (1, 3), (4, 1, 2), DEFAULT]

over_nets = pytest.mark.parametrize("name", NETS)
over_colours = pytest.mark.parametrize(("channels", "groups"), COLOURS, ids=["gray", "colours", "tied colours"])
over_dilations = pytest.mark.parametrize("dilations", DILATIONS, ids=str)


def make(name: str, channels: int, groups: int, dilations: Iterable[int], num_classes: int | None = None) -> CausalNet:
    """A small net in float64, all its parameters away from their start."""
    torch.manual_seed(0)
    net = NETS[name](
        channels,
        PER_GROUP * groups,
        levels=LEVELS,
        hidden=12,
        dilations=tuple(dilations),
        groups=groups,
        embedding=3,
        num_classes=num_classes,
    ).double()
    for parameter in net.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    return net


def images(n: int, channels: int, height: int, width: int) -> Tensor:
    return torch.randint(0, LEVELS, (n, channels, height, width), generator=torch.Generator().manual_seed(1))


# Which outputs see which inputs, as 0-1 matrices: a row for each (group, row, column) of the output, a column for each
# (group, row, column) of the input. One layer after another is a product, one beside another a sum.


def dependence(outputs: Tensor, inputs: Tensor, groups_out: int, groups_in: int) -> Tensor:
    """Where the Jacobian is not 0, in any image of the batch: of (b, c, h, w) by (b, c', h, w)."""
    # No weight is 0, and neither is a random combination of a group's channels, unless every one of them is.
    mixture = torch.randn_like(outputs[:1])
    mixed = (outputs * mixture).unflatten(1, (groups_out, -1)).sum((0, 2)).flatten()
    (jacobian,) = torch.autograd.grad(mixed, inputs, torch.eye(len(mixed)).to(mixed), is_grads_batched=True)
    return (jacobian.unflatten(2, (groups_in, -1)).abs().sum((1, 3)).flatten(1) > 0).double()


def shifts(height: int, width: int, up: Iterable[int], left: Iterable[int]) -> Tensor:
    """Each pixel sees those so many rows above and so many columns to the left, where the image has them."""
    rows = sum((torch.diag(torch.ones(max(height - k, 0)), -k) for k in up if k < height), torch.zeros(height, height))
    columns = torch.zeros(width, width)
    for k in left:
        if abs(k) < width:
            columns += torch.diag(torch.ones(width - abs(k)), -k)
    return torch.kron(rows, columns).double()


def order(groups_out: int, groups_in: int, *, strict: bool) -> Tensor:
    """At a pixel itself: group g sees those before it and, unless strict, itself."""
    if groups_out == groups_in:
        return torch.ones(groups_out, groups_in).double().tril(-1 if strict else 0)
    return torch.zeros(groups_out, groups_in).double() if strict else torch.ones(groups_out, groups_in).double()


def earlier(channels: int, groups: int, height: int, width: int) -> Tensor:
    """What comes before in raster order, colours within a pixel: all that a causal net may see, and no more."""
    pixel = torch.arange(height * width)
    position = torch.cat([pixel * channels + channel for channel in range(channels)])
    start = torch.cat([pixel * channels + group for group in range(groups)])
    return (position[None] < start[:, None]).double()


def columns(count: int, dilation: int = 1) -> list[int]:
    return [dilation * k for k in range(-(count // 2), count // 2 + 1)]


def field(name: str, channels: int, groups: int, dilations: Iterable[int], height: int, width: int) -> Tensor:
    """What each output of a net should see, by the definition of its layers."""
    own, pixel = order(groups, groups, strict=False), shifts(height, width, [0], [0])
    every = torch.ones(groups, groups).double()
    above = shifts(height, width, [1, 2, 3], columns(7))
    left = torch.kron(torch.ones(groups, channels).double(), shifts(height, width, [0], [1, 2, 3]))
    left += torch.kron(order(groups, channels, strict=True), pixel)
    if name == "plain":
        seen = torch.kron(torch.ones(groups, channels).double(), above) + left
        for d in dilations:
            masked = shifts(height, width, [d], columns(3, d)) + shifts(height, width, [0], [d])
            seen = seen + (torch.kron(every, masked) + torch.kron(own, pixel)) @ torch.kron(own, pixel) @ seen
            seen = torch.kron(own, pixel) @ seen.sign()
        return seen.sign()
    v, h, gates = torch.kron(torch.ones(1, channels).double(), above), left, torch.zeros_like(left)
    for d in dilations:
        v = (shifts(height, width, [0, d], columns(3, d)) @ v).sign()
        beside = torch.kron(every, shifts(height, width, [0], [d])) + torch.kron(own, pixel)
        gated = (beside @ h + v.repeat(groups, 1)).sign()
        h = (h + torch.kron(own, pixel) @ gated).sign()
        gates += gated
    return (torch.kron(own, pixel) @ gates).sign()


def seen_by(net: CausalNet, channels: int, height: int, width: int) -> Tensor:
    """The dependence of a net's outputs on the features of its pixels, several images taken together."""
    leaves: list[Tensor] = []

    def cut(_module: nn.Module, _inputs: Any, features: Tensor) -> Tensor:
        leaves.append(features.detach().requires_grad_())
        return leaves[0]

    net.features.register_forward_hook(cut)
    outputs = net(images(4, channels, height, width))  # a ReLU that is dead in one image is not in all
    return dependence(outputs, leaves[0], net.groups, channels)


@pytest.mark.parametrize(
    ("rows", "width", "dilation", "current"),
    [*itertools.product([1, 2, 3], [1, 3, 7], [1, 2, 4], [False]), *itertools.product([1, 2], [3, 5], [1, 3], [True])],
)
def test_a_convolution_above_sees_its_rows_above(rows: int, width: int, dilation: int, current: bool) -> None:
    conv = AboveConv(2, 3, rows=rows, columns=width, dilation=dilation, current=current).double()
    x = torch.randn(1, 2, 6, 7, dtype=torch.float64, requires_grad=True)
    up = [dilation * (k + (not current)) for k in range(rows)]
    assert torch.equal(dependence(conv(x), x, 1, 1), shifts(6, 7, up, columns(width, dilation)))


@pytest.mark.parametrize(
    ("taps", "dilation", "groups", "strict"), [*itertools.product([1, 2, 3], [1, 2, 4], [1, 3], [False, True])]
)
def test_a_convolution_to_the_left_sees_its_taps_and_its_mask(
    taps: int, dilation: int, groups: int, strict: bool
) -> None:
    conv = LeftConv(6, 3, taps=taps, dilation=dilation, groups=groups, strict=strict).double()
    x = torch.randn(1, 6, 2, 7, dtype=torch.float64, requires_grad=True)
    left = torch.kron(torch.ones(groups, groups).double(), shifts(2, 7, [0], [dilation * (k + 1) for k in range(taps)]))
    own = torch.kron(order(groups, groups, strict=strict), shifts(2, 7, [0], [0]))
    assert torch.equal(dependence(conv(x), x, groups, groups), left + own)


@pytest.mark.parametrize("groups", [1, 2, 3])
def test_a_pointwise_convolution_sees_its_group_and_those_before(groups: int) -> None:
    conv = Pointwise(6, 12, groups=groups).double()
    x = torch.randn(1, 6, 2, 3, dtype=torch.float64, requires_grad=True)
    expected = torch.kron(order(groups, groups, strict=False), torch.eye(6).double())
    assert torch.equal(dependence(conv(x), x, groups, groups), expected)


@over_nets
@over_colours
@over_dilations
def test_a_net_sees_its_field_and_nothing_else(
    name: str, channels: int, groups: int, dilations: tuple[int, ...]
) -> None:
    seen = seen_by(make(name, channels, groups, dilations), channels, 5, 6)
    assert not (seen > earlier(channels, groups, 5, 6)).any()
    assert torch.equal(seen, field(name, channels, groups, dilations, 5, 6))


@over_colours
@pytest.mark.parametrize("dilations", [(1, 1), (1, 2), (1, 2, 4), DEFAULT], ids=str)
def test_the_gated_net_has_no_blind_spot(channels: int, groups: int, dilations: tuple[int, ...]) -> None:
    seen = seen_by(make("gated", channels, groups, dilations), channels, 6, 6)
    assert torch.equal(seen, earlier(channels, groups, 6, 6))


@over_colours
def test_the_plain_net_is_blind_to_a_wedge_at_the_upper_right(channels: int, groups: int) -> None:
    """Upwards the first convolution reaches 3 columns to the right, and each block only one more for a row more."""
    height, width = 5, 10
    seen = seen_by(make("plain", channels, groups, [1] * 7), channels, height, width)
    row, column = torch.arange(height).repeat_interleave(width), torch.arange(width).repeat(height)
    up, right = row[:, None] - row[None], column[None] - column[:, None]
    wedge = ((up > 0) & (right > up + 2)).double().repeat(groups, channels)
    assert wedge.any()
    assert torch.equal(seen, earlier(channels, groups, height, width) - wedge)


@over_nets
@over_colours
def test_a_changed_level_changes_nothing_before_it(name: str, channels: int, groups: int) -> None:
    height, width = 4, 5
    net = make(name, channels, groups, (1, 2))
    image = images(1, channels, height, width)
    size = image.numel()
    changed = image.repeat(size, 1, 1, 1).flatten(1)
    changed[range(size), range(size)] = (changed[range(size), range(size)] + 1) % LEVELS
    with torch.no_grad():
        difference = net(changed.view(-1, *image.shape[1:])) - net(image)
    moved = difference.unflatten(1, (groups, -1)).abs().amax(2).flatten(1).T  # a row for each output, as above
    allowed = earlier(channels, groups, height, width).bool()
    assert (moved[~allowed] < 1e-13).all()
    next_pixel = moved.view(groups, height, width, channels, height, width)[-1, 1, 2, :, 1, 1]
    assert (next_pixel > 1e-6).all()


@torch.no_grad()
def cached(net: CausalNet, levels: Tensor, label: Tensor | None = None) -> Tensor:
    """The outputs of the cached pass, put together as forward gives them."""
    cache = net.init_cache(len(levels), levels.shape[3], label)
    out = torch.empty(len(levels), net.groups, PER_GROUP, *levels.shape[2:], dtype=net.out.weight.dtype)
    for row in range(levels.shape[2]):
        net.start_row(cache)
        for column in range(levels.shape[3]):
            for channel in range(levels.shape[1]):
                if channel < net.groups:
                    out[:, channel, :, row, column] = net.step(cache, column, channel)
                net.put(cache, column, channel, levels[:, channel, row, column])
        net.end_row(cache)
    return out.flatten(1, 2)


@over_nets
@over_colours
@pytest.mark.parametrize("num_classes", [None, CLASSES], ids=["without classes", "with classes"])
@pytest.mark.parametrize(
    ("dilations", "n", "height", "width"),
    [((1, 2), 3, 5, 8), (DEFAULT, 1, 9, 4), ((4, 1), 3, 2, 1)],
    ids=["wide", "tall", "a column"],
)
def test_the_cached_pass_computes_what_forward_does(
    name: str, channels: int, groups: int, num_classes: int | None, dilations: tuple[int, ...], n: int, height: int,
    width: int,
) -> None:  # fmt: skip
    net = make(name, channels, groups, dilations, num_classes)
    levels = images(n, channels, height, width)
    label = torch.tensor([3, 0, 2])[:n] if num_classes else None
    for dtype, tolerance in ((torch.float64, 1e-10), (torch.float32, 1e-4)):
        net = net.to(dtype)
        with torch.no_grad():
            expected = net(levels, label)
        assert expected.std() > 0.01  # or agreement would prove little
        assert (cached(net, levels, label) - expected).abs().max() < tolerance
    if label is not None:
        with torch.no_grad():
            assert (net(levels, label) - net(levels, (label + 1) % CLASSES)).abs().max() > 1e-3


@over_nets
@over_colours
def test_levels_of_any_integer_type_are_the_same_image(name: str, channels: int, groups: int) -> None:
    net = make(name, channels, groups, (1, 2))
    levels = images(2, channels, 3, 4)
    with torch.no_grad():
        assert torch.equal(net(levels.to(torch.uint8)), net(levels))
    assert torch.equal(cached(net, levels.to(torch.uint8)), cached(net, levels))


def tensors(value: object) -> Iterator[Tensor]:
    """All that a cache holds, nets apart."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from tensors(part)
    elif hasattr(value, "__dict__") and not isinstance(value, nn.Module):
        yield from tensors(list(vars(value).values()))


def memory(cache: object) -> int:
    """Bytes behind a cache's tensors, each storage once."""
    return sum({t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors(cache)}.values())


def rows_above(part: object) -> Iterator[Tensor]:
    """The rows that a part of a cache holds of what is above."""
    if isinstance(part, RowsAbove):
        yield from part.rows
    elif isinstance(part, list):
        for one in part:
            yield from rows_above(one)


@torch.no_grad()
def memory_after(net: CausalNet, rows: int, *, n: int = 2, width: int = 6, channels: int = 3) -> int:
    cache = net.init_cache(n, width)
    for _ in range(rows):
        net.start_row(cache)
        for column, channel in itertools.product(range(width), range(channels)):
            if channel < net.groups:
                net.step(cache, column, channel)
            net.put(cache, column, channel, torch.zeros(n, dtype=torch.long))
        net.end_row(cache)
    return memory(cache)


@over_nets
@pytest.mark.parametrize("groups", [1, 3])
def test_a_cache_holds_the_rows_that_the_kernels_reach(name: str, groups: int) -> None:
    n, width, hidden, number = 2, 6, 12, 8  # bytes of a float64
    near, far = make(name, 3, groups, (1, 1)), make(name, 3, groups, (1, 5))
    assert memory_after(near, 2) == memory_after(near, 30)  # however high the image
    # A dilation of 5 reaches 5 rows with 5 pixels of margin on both sides, one of 1 a row with 1; and 4 more pixels of
    # margin to the left: of what a layer reads, or of what both layers' two halves of a gate await.
    rows, margin = 5 * (width + 10) - (width + 2), {"plain": hidden, "gated": 2 * 2 * hidden}[name]
    assert memory_after(far, 30) - memory_after(near, 30) == n * (rows * hidden + 4 * margin) * number
    cache = near.init_cache(n, width)
    reached = [row.shape for above in vars(cache).values() for row in rows_above(above)]
    features = 3 * near.features.width
    assert reached == 3 * [(width + 6, n, features)] + 2 * [(width + 2, n, hidden)]  # the first one is 3 rows of 7 taps


@over_nets
@over_colours
def test_nothing_is_computed_twice(name: str, channels: int, groups: int) -> None:
    """Pixel by pixel, the products are as many as those of one forward."""
    net = make(name, channels, groups, (1, 4, 2))
    levels = images(2, channels, 7, 6)
    with FlopCounterMode(display=False) as whole, torch.no_grad():
        net(levels)
    with FlopCounterMode(display=False) as by_pixel:
        cached(net, levels)
    assert whole.get_total_flops() > 0
    assert by_pixel.get_total_flops() == whole.get_total_flops()


@over_nets
def test_channels_that_colours_cannot_share_are_refused(name: str) -> None:
    with pytest.raises(FlowgenError, match="hidden is 32; it must be a multiple of 3"):
        NETS[name](3, 12, levels=LEVELS, hidden=32, dilations=(1,), groups=3)


@over_nets
@over_colours
def test_a_gradient_reaches_every_parameter(name: str, channels: int, groups: int) -> None:
    net = make(name, channels, groups, (1, 2, 1), CLASSES)
    net(images(4, channels, 5, 6), torch.arange(CLASSES)).square().sum().backward()
    for key, parameter in net.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.abs().sum() > 0, key
