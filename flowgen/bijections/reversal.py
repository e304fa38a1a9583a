"""Invertible backpropagation: activations are not kept but rebuilt, each from the one after it, by inversion."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

if TYPE_CHECKING:
    from flowgen.bijections.base import Bijection

__all__ = ["Reversal", "apply_reversibly", "apply_storing"]

Links = Sequence["Bijection"]


class Reversal:
    """A backward pass from the output of a flow to its input; `Bijection.pull_back` takes it through one bijection.

    Log-determinants add up, so their gradient is the same at every link.

    Args:
        grad_log_det: of the loss by the log-determinants, (b,).
    Attributes:
        gradients: of the loss by the parameters of all that it has come through.
    """

    def __init__(self, grad_log_det: Tensor) -> None:
        self.grad_log_det = grad_log_det
        self.gradients: dict[Tensor, Tensor] = {}

    def differentiate(
        self, module: nn.Module, outputs: tuple[Tensor, Tensor], grad_z: Tensor, inputs: Sequence[Tensor]
    ) -> tuple[Tensor, ...]:
        """The gradients by the inputs of a small graph that ends in z and log_det; those by parameters are added up.

        Args:
            module: whose parameters are in the graph.
            outputs: z and log_det.
            grad_z: of the loss by z.
            inputs: where the graph begins.
        """
        parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
        ends = [pair for pair in zip(outputs, (grad_z, self.grad_log_det), strict=True) if pair[0].requires_grad]
        found = torch.autograd.grad(
            [output for output, _ in ends],
            [*inputs, *parameters],
            [gradient for _, gradient in ends],
            allow_unused=True,
        )
        for parameter, gradient in zip(parameters, found[len(inputs) :], strict=True):
            if gradient is not None:
                before = self.gradients.get(parameter)
                self.gradients[parameter] = gradient if before is None else before + gradient
        return found[: len(inputs)]


def apply_storing(links: Links, x: Tensor) -> tuple[Tensor, Tensor]:
    """The links one after the other, (b, *event) -> z and log|det| of (b,); autograd keeps what it needs."""
    log_det = x.new_zeros(x.shape[0])
    for link in links:
        x, change = link(x)
        log_det = log_det + change
    return x, log_det


def apply_reversibly(links: Links, x: Tensor) -> tuple[Tensor, Tensor]:
    """The same map, of which autograd keeps the output alone, however many the links.

    The backward pass goes from link to link: invert, run forward once more on what came out, differentiate that. It
    costs another forward pass and the inverse, and its gradients differ from stored ones by the rounding of inversion.

    References:
        The Reversible Residual Network: Backpropagation Without Storing Activations (Gomez et al., 2017),
        arXiv:1707.04585
    """
    parameters = [parameter for link in links for parameter in link.parameters() if parameter.requires_grad]
    return cast(tuple[Tensor, Tensor], _Reversible.apply(links, x, *parameters))


class _Reversible(torch.autograd.Function):
    """The parameters are inputs, so that their gradients arrive where hooks of distributed training wait for them."""

    @staticmethod
    def forward(ctx: Any, links: Links, x: Tensor, *parameters: Tensor) -> tuple[Tensor, Tensor]:
        ctx.links, ctx.autocast = links, _precision(x)
        with _autocast(ctx.autocast):
            z, log_det = apply_storing(links, x)  # nothing is stored: autograd is off in here
        ctx.save_for_backward(z, *parameters)  # the parameters only to notice that one was changed meanwhile
        return z, log_det

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor | None, ...]:
        grad_z, grad_log_det = gradients
        z, *parameters = ctx.saved_tensors
        z, reversal = z.detach(), Reversal(grad_log_det)
        with _autocast(ctx.autocast):
            for link in reversed(ctx.links):
                z, grad_z = link.pull_back(z, grad_z, reversal)
        return None, grad_z, *map(reversal.gradients.get, parameters)


def _precision(x: Tensor) -> tuple[str, torch.dtype, bool]:
    """The mixed precision in force: on which device, in which dtype, whether at all."""
    device = x.device.type
    return device, torch.get_autocast_dtype(device), torch.is_autocast_enabled(device)


def _autocast(precision: tuple[str, torch.dtype, bool]) -> torch.autocast:
    """That precision, with a weight cast anew at each use: a cast that was kept without its gradient would lose it."""
    device, dtype, enabled = precision
    return torch.autocast(device, dtype=dtype, enabled=enabled, cache_enabled=False)
