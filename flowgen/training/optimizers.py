"""Which optimiser moves which weights, and how fast at each step."""

from collections.abc import Callable

import torch
from torch import nn

from flowgen.errors import FlowgenError
from flowgen.nets.causal_net import CausalNet
from flowgen.training.muon import Muon

__all__ = ["OPTIMIZERS", "learning_rate_factor", "make_optimizers"]


def _muon(model: nn.Module, lr: float, muon_lr: float, weight_decay: float) -> list[torch.optim.Optimizer]:
    return _divided(model, lr, muon_lr, weight_decay, heads=set())


def _muon_hidden(model: nn.Module, lr: float, muon_lr: float, weight_decay: float) -> list[torch.optim.Optimizer]:
    heads = {id(module.out.weight) for module in model.modules() if isinstance(module, CausalNet)}
    return _divided(model, lr, muon_lr, weight_decay, heads)


def _divided(
    model: nn.Module, lr: float, muon_lr: float, weight_decay: float, heads: set[int]
) -> list[torch.optim.Optimizer]:
    """Muon for the kernels and matrices that are no heads, AdamW for the rest."""
    weights = [module.weight for module in model.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    matrices = {id(weight): weight for weight in weights if id(weight) not in heads}
    rest = [parameter for parameter in model.parameters() if id(parameter) not in matrices]
    return [
        Muon(matrices.values(), lr=muon_lr, weight_decay=weight_decay),
        torch.optim.AdamW(rest, lr=lr, weight_decay=0.0),
    ]


def _adamw(model: nn.Module, lr: float, muon_lr: float, weight_decay: float) -> list[torch.optim.Optimizer]:
    return [torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.0)]


def _adamax(model: nn.Module, lr: float, muon_lr: float, weight_decay: float) -> list[torch.optim.Optimizer]:
    return [torch.optim.Adamax(model.parameters(), lr=lr)]


OPTIMIZERS: dict[str, Callable[[nn.Module, float, float, float], list[torch.optim.Optimizer]]] = {
    "muon": _muon,
    "muon_hidden": _muon_hidden,
    "adamw": _adamw,
    "adamax": _adamax,
}


def make_optimizers(
    name: str, model: nn.Module, lr: float, muon_lr: float, weight_decay: float = 0.0
) -> list[torch.optim.Optimizer]:
    """The optimisers of a model; with "muon", kernels and matrices of its nets go to Muon and the rest to AdamW.

    With "muon_hidden" AdamW also takes what gives a causal net's outputs: each update of Muon moves them all together,
    by as much as a logistic that must tell one level from the next is wide. Weight decay is Muon's alone: what is left
    to the others are biases, scales and embeddings, and those outputs.

    Raises:
        FlowgenError: if no optimiser has this name.
    """
    if name not in OPTIMIZERS:
        raise FlowgenError(f"There is no optimiser {name!r}; choose one of {', '.join(OPTIMIZERS)}.")
    return OPTIMIZERS[name](model, lr, muon_lr, weight_decay)


def learning_rate_factor(step: int, total: int | None, *, warmup: int, decay: float) -> float:
    """What the learning rates are multiplied by: a linear warm-up, a plateau, and a linear decay to 0 at the end.

    Args:
        step: from 0.
        total: number of steps, or None while it is not known; warm-up is the same either way.
        warmup: steps until the full rate.
        decay: the share of all steps, counted from the end, over which the rate falls.
    """
    rise = min(1.0, (step + 1) / warmup) if warmup else 1.0
    if total is None or step < total * (1 - decay):
        return rise
    return rise * (total - step) / (total * decay)
