"""Muon: momentum whose update of a matrix is made orthogonal."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, cast

import torch
from torch import Tensor

__all__ = ["Muon", "orthogonalize"]

QUINTIC = (3.4445, -4.7750, 2.0315)  # steepest at 0 among the quintics that keep singular values near 1


def orthogonalize(matrices: Tensor, iterations: int = 5) -> Tensor:
    """Nearly the orthogonal factor U V^T of each matrix U S V^T, by Newton-Schulz iteration: singular values near 1.

    Args:
        matrices: (..., m, n).
        iterations: how often X <- a X + (b A + c A^2) X, with A = X X^T, is applied.
    """
    a, b, c = QUINTIC
    wide = matrices.shape[-2] <= matrices.shape[-1]
    x = matrices if wide else matrices.mT
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp_min(1e-12)
    for _ in range(iterations):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return cast(Tensor, x if wide else x.mT)


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, made orthogonal; for hidden matrices and for convolution kernels, which it sees as (out, -1).

        v <- mu v + g,   W <- (1 - lr wd) W - lr sqrt(max(1, m / n)) orthogonalize(g + mu v)

    The update's size does not depend on the gradient's, so that without decay the weights of a long run only grow, and
    with them the net's steepness.

    torch.optim.Muon takes matrices only. Parameters of equal flattened shape are orthogonalised together: a net of many
    small layers would spend its time on launching small products.

    Args:
        params: parameters with at least two dimensions.
        lr: learning rate.
        momentum: mu.
        weight_decay: wd, decoupled from the gradient.
    References:
        Muon: An optimizer for hidden layers in neural networks (Jordan et al., 2024), https://kellerjordan.github.io/posts/muon
    """

    def __init__(
        self, params: Iterable[Tensor], lr: float = 0.02, momentum: float = 0.95, weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Apply one update from the gradients at hand."""
        if closure is not None:
            raise ValueError("Muon takes its gradients as they are and calls no closure")
        for group in self.param_groups:
            alike: dict[tuple[int, int], list[Tensor]] = defaultdict(list)
            for weight in group["params"]:
                if weight.grad is not None:
                    alike[len(weight), weight[0].numel()].append(weight)
            for (rows, columns), weights in alike.items():
                updates = orthogonalize(torch.stack([self._momentum(w, group) for w in weights]))
                rate = group["lr"] * max(1.0, rows / columns) ** 0.5
                for weight, update in zip(weights, updates, strict=True):
                    weight.mul_(1 - group["lr"] * group["weight_decay"])
                    weight.sub_(update.view_as(weight), alpha=rate)

    def _momentum(self, weight: Tensor, group: dict[str, Any]) -> Tensor:
        gradient = weight.grad
        assert gradient is not None
        velocity = self.state[weight].setdefault("velocity", torch.zeros_like(weight))
        velocity.mul_(group["momentum"]).add_(gradient)
        return gradient.add(velocity, alpha=group["momentum"]).reshape(len(weight), -1)
