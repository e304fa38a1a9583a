"""The same Glow in normflows, nflows and FrEIA, with the weights of FlowGen's.

Each is put together from its package's own layers, the way the package means them to be; what one of them cannot say
is said here. All have leaky conditioners of 3x3, 1x1 and 3x3 convolutions, log-scales within -2 and 2, a learned split
(which the others write as one more affine coupling before they split), and a scale for each coordinate last.
"""

import importlib
import math
from collections.abc import Callable
from typing import Any

import torch
from glows import BOUND, Case, Contestant, scales
from torch import Tensor, nn

from flowgen.bijections import ActNorm, AffineCoupling, InvertibleConv1x1
from flowgen.nets import ConvNet

__all__ = ["PEERS"]


def normflows(case: Case, dtype: torch.dtype, training: bool) -> Contestant:
    """Their GlowBlock, its coupling reversed: it multiplies from latent to data, and ours from data to latent."""
    nf = importlib.import_module("normflows")

    def coupling(ours: AffineCoupling) -> Any:
        net = _Bounded(_theirs(ours.conditioner, lambda *widths: nf.nets.ConvNet2d(widths, (3, 1, 3), 0.1)))
        return nf.flows.Reverse(nf.flows.AffineCouplingBlock(net))

    def mixing(ours: InvertibleConv1x1) -> Any:
        theirs = nf.flows.Invertible1x1Conv(len(ours.sign), use_lu=True)
        return _filled(theirs, P=ours.permutation, L=ours.lower, U=ours.upper, log_S=ours.log_s, sign_S=ours.sign)

    def actnorm(ours: ActNorm) -> Any:
        done = torch.tensor(1.0)
        return _filled(nf.flows.ActNorm((len(ours.loc), 1, 1)), t=-ours.loc, s=-ours.log_scale, data_dep_init_done=done)

    priors, flows, merges = [], [], []
    for scale in scales(case):
        layers = [nf.flows.Squeeze()]
        for norm, mix, couple in scale.steps:
            block = nf.flows.GlowBlock(scale.channels, case.hidden)
            block.flows = nn.ModuleList([coupling(couple), mixing(mix), actnorm(norm)])
            layers.append(block)
        shape = (scale.channels // (2 if scale.whiten else 1), *scale.size)
        if scale.whiten:
            layers.append(coupling(scale.whiten))
            merges.insert(0, nf.flows.Merge())
        elif scale.last:
            scaling = nf.flows.AffineConstFlow(shape, shift=False)
            layers += [actnorm(scale.last[0]), _filled(scaling, s=-scale.last[1].log_scale)]
        priors.insert(0, nf.distributions.DiagGaussian(shape, trainable=False))
        flows.insert(0, layers[::-1])
    model = nf.MultiscaleFlow(priors, flows, merges, class_cond=False).to(dtype).train(training)
    return Contestant(model, lambda x: model.log_prob(x, None), lambda n: model.sample(n)[0])


def nflows(case: Case, dtype: torch.dtype, training: bool) -> Contestant:
    """Their multi-scale transform lets the first half leave and ours the second, so halves are swapped before it.

    Their last scaling is fixed: the prior that could learn it cannot be sampled from.
    """
    transforms = importlib.import_module("nflows.transforms")

    class Bounded(transforms.AffineCouplingTransform):  # type: ignore[misc, name-defined]
        def _scale_and_shift(self, parameters: Tensor) -> tuple[Tensor, Tensor]:
            raw, shift = parameters.chunk(2, 1)
            return torch.exp(BOUND * torch.tanh(raw / BOUND)), shift

    def coupling(ours: AffineCoupling, channels: int) -> Any:
        mask = torch.arange(channels) >= channels // 2
        return Bounded(mask.int(), lambda *_: _Contextless(_theirs(ours.conditioner, _sequential)))

    def mixing(ours: InvertibleConv1x1) -> Any:
        n = len(ours.sign)
        theirs = transforms.OneByOneConvolution(n, using_cache=True)
        lower, upper = ours.lower[theirs.lower_indices], ours.upper[theirs.upper_indices]
        diagonal = torch.log(torch.expm1(ours.log_s.exp() - theirs.eps))
        _filled(theirs.permutation, _permutation=torch.arange(n))
        return _filled(theirs, lower_entries=lower, upper_entries=upper, unconstrained_upper_diag=diagonal)

    def actnorm(ours: ActNorm) -> Any:
        shift, done = ours.loc * ours.log_scale.exp(), torch.tensor(True)
        return _filled(transforms.ActNorm(len(shift)), log_scale=ours.log_scale, shift=shift, initialized=done)

    multiscale = transforms.MultiscaleCompositeTransform(case.scales)
    for scale in scales(case):
        layers = [transforms.SqueezeTransform()]
        for norm, mix, couple in scale.steps:
            layers += [actnorm(norm), mixing(mix), coupling(couple, scale.channels)]
        if scale.whiten:
            swapped = torch.arange(scale.channels).roll(scale.channels // 2)
            layers += [coupling(scale.whiten, scale.channels), transforms.Permutation(swapped)]
        elif scale.last:
            scaling = scale.last[1].log_scale.detach().exp().view(scale.channels, *scale.size)
            layers += [actnorm(scale.last[0]), transforms.PointwiseAffineTransform(0.0, scaling)]
        multiscale.add_transform(transforms.CompositeTransform(layers), (scale.channels, *scale.size))
    prior = importlib.import_module("nflows.distributions").StandardNormal((math.prod(case.shape),))
    flow = importlib.import_module("nflows.flows.base").Flow(multiscale, prior).to(dtype).train(training)
    return Contestant(flow, flow.log_prob, flow.sample)


def freia(case: Case, dtype: torch.dtype, training: bool) -> Contestant:
    """FrEIA learns no 1x1 convolution: its matrices are ours, fixed, so it has less to train than the others."""
    framework, modules = importlib.import_module("FrEIA.framework"), importlib.import_module("FrEIA.modules")
    nodes: list[Any] = [framework.InputNode(*case.shape)]

    def add(module: Any, inputs: Any, **arguments: Any) -> Any:
        nodes.append(framework.Node(inputs, module, arguments))
        return nodes[-1]

    def leave(node: Any) -> None:
        nodes.append(framework.OutputNode(node))

    copies: list[tuple[Any, dict[str, Tensor]]] = []

    def coupling(node: Any, ours: AffineCoupling) -> Any:
        def subnet(*_: int) -> nn.Module:
            net = _theirs(ours.conditioner, _sequential)
            for parameter in (net[-1].weight, net[-1].bias):  # they clamp by 2 tanh(raw)
                parameter.data[: len(parameter) // 2] /= BOUND
            return net

        one_sided = modules.AffineCouplingOneSided
        return add(one_sided, node, subnet_constructor=subnet, clamp=BOUND, clamp_activation="TANH")

    def actnorm(node: Any, ours: ActNorm) -> Any:
        node = add(modules.ActNorm, node)
        copies.append((node, {"scale": ours.log_scale, "bias": ours.loc * ours.log_scale.exp()}))
        return node

    node = nodes[0]
    for scale in scales(case):
        node = add(modules.IRevNetDownsampling, node)
        for norm, mix, couple in scale.steps:
            node = add(modules.Fixed1x1Conv, actnorm(node, norm), M=mix.weight().detach().T)
            node = coupling(node, couple)
        if scale.whiten:
            split = add(modules.Split, coupling(node, scale.whiten))
            leave(split.out1)
            node = split.out0
        elif scale.last:
            node = add(modules.LearnedElementwiseScaling, actnorm(node, scale.last[0]))
            copies.append((node, {"s": scale.last[1].log_scale}))
            leave(node)
    model = framework.GraphINN(nodes)
    for node, values in copies:
        _filled(node.module, **values)
        node.module.init_on_next_batch = False
    model.to(dtype).train(training)
    shapes = model.global_out_shapes

    def log_prob(x: Tensor) -> Tensor:
        z, log_det = model(x)
        energy = sum(part.square().flatten(1).sum(1) for part in z)
        return log_det - 0.5 * (energy + math.prod(case.shape) * math.log(2 * math.pi))

    def sample(n: int) -> Tensor:
        return model([torch.randn(n, *shape, dtype=dtype) for shape in shapes], rev=True, jac=False)[0]

    return Contestant(model, log_prob, sample)


class _Bounded(nn.Module):
    """A conditioner's shifts and bounded log-scales, channel about, as normflows wants them."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        raw, shift = self.net(x).chunk(2, 1)
        return torch.stack((shift, BOUND * torch.tanh(raw / BOUND)), 2).flatten(1, 2)


class _Contextless(nn.Sequential):
    """A net that nflows can call: it also passes a context, and there is none."""

    def forward(self, x: Tensor, context: None) -> Tensor:
        return super().forward(x)


def _sequential(inputs: int, hidden: int, _: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, hidden, 3, padding=1),
        nn.LeakyReLU(0.1),
        nn.Conv2d(hidden, hidden, 1),
        nn.LeakyReLU(0.1),
        nn.Conv2d(hidden, outputs, 3, padding=1),
    )


def _theirs(ours: Any, make: Callable[..., nn.Module]) -> Any:
    """A net that `make` makes for these widths, with the weights of ours."""
    assert isinstance(ours, ConvNet)
    layers = (ours.first, ours.middle, ours.last)
    net = make(ours.first.in_channels, *(layer.out_channels for layer in layers))
    convolutions = [layer for layer in net.modules() if isinstance(layer, nn.Conv2d)]
    for theirs, layer in zip(convolutions, layers, strict=True):
        theirs.load_state_dict(layer.state_dict())
    return net


def _filled(module: Any, **values: Tensor) -> Any:
    """The module, with these parameters and buffers, whatever singleton dimensions it gives them."""
    for name, value in values.items():
        there = getattr(module, name)
        there.data.copy_(value.detach().reshape(there.shape))
    return module


PEERS: dict[str, Callable[[Case, torch.dtype, bool], Contestant]] = {
    "normflows": normflows,
    "nflows": nflows,
    "FrEIA": freia,
}
