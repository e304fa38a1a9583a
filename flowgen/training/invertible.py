"""Invertible backpropagation as a training option: memory that does not grow with a flow's depth."""

from torch import nn

from flowgen.bijections import Chain
from flowgen.errors import FlowgenError

__all__ = ["recompute_activations"]


def recompute_activations(model: nn.Module, *, compile: bool = False) -> None:
    """From now on the backward pass through a flow recomputes its activations by inversion, and none are kept.

    Args:
        model: a flow; its weights, and what it computes forward, stay as they are.
        compile: whether its loss is compiled.

    Raises:
        FlowgenError: if the model is no flow, or its loss is compiled.
    """
    chains = [module for module in model.modules() if isinstance(module, Chain)]
    if not chains:
        raise FlowgenError(
            "--invertible recomputes a flow's activations by inverting it, and this model is no flow; leave it out."
        )
    if compile:
        raise FlowgenError("--invertible cannot be compiled: its backward pass is its own; leave out it or --compile.")
    for chain in chains:
        chain.recomputes = True
