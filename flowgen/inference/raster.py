"""Particles along the raster: drawn where a pixel is hidden, weighed where it is known, and resampled."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from flowgen.inference.chains import Randomness, uniform_like
from flowgen.inference.kernels.particles import effective_share, log_mean_exp, systematic
from flowgen.inference.sequential_target import Partial, SequentialTarget, draw_index, impossible

__all__ = ["Cloud", "move_along"]


@dataclass(frozen=True)
class Cloud:
    """Weighted particles, of each chain its own.

    Args:
        position: their hidden levels so far, (chains, num, dim).
        log_mass: of all they consist of so far, known and hidden, (chains, num) in nats.
        log_weights: (chains, num).
        log_evidence: the log of each chain's estimate of p(known so far), which is unbiased, (chains,) in nats.
        rows: how many rows are finished.
    """

    position: Tensor
    log_mass: Tensor
    log_weights: Tensor
    log_evidence: Tensor
    rows: int

    def pick(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """One particle a chain by its weight: position (chains, dim) and log-mass (chains,), by uniforms (chains,)."""
        chosen = draw_index(self.log_weights, u)[:, None]
        position = self.position.gather(1, chosen[..., None].expand(-1, 1, self.position.shape[2]))[:, 0]
        return position, self.log_mass.gather(1, chosen)[:, 0]


@torch.no_grad()
def move_along(
    target: SequentialTarget,
    chains: int,
    num: int,
    threshold: float,
    randomness: Randomness,
    retained: Tensor | None = None,
) -> Iterator[Cloud]:
    """Sequential Monte Carlo in raster order, a cloud a row.

        hidden: k_t ~ p(k_t | k_<t),   known: w <- w p(k_t | k_<t)
        p(known) ~ prod over resamplings of mean(w),   resampled where (sum w)^2 / sum w^2 < threshold * num

    Chains run side by side and know nothing of each other. After the last hidden position nothing is drawn that
    resampling could serve, and there is none.

    Args:
        target: what to complete.
        chains: how many independent clouds.
        num: how many particles each has.
        threshold: in [0, 1], the effective share below which a chain's particles are resampled.
        randomness: as `uniform_like` takes it.
        retained: (chains, dim), a completion a chain that its particle 0 is held to; the others are then resampled
            independently (conditional SMC), and systematically otherwise.

    Raises:
        FlowgenError: if no particle of a chain allows a known level.
    """
    partial = target.init(chains * num)
    log_weights = partial.log_mass.new_zeros(chains, num)
    log_evidence = partial.log_mass.new_zeros(chains) + target.prefix.log_mass
    for row in range(partial.images.at[1]):  # known as a whole, and gone through already
        yield _cloud(partial, log_weights, log_evidence, row + 1)
    while not target.finished(partial):
        at = partial.images.at
        if target.hidden_next(partial):
            u = uniform_like(log_weights, randomness).flatten()
            target.advance(partial, u, _held(partial, retained, num))
        else:
            log_weights = log_weights + target.advance(partial).view(chains, num)
            short = ~(effective_share(log_weights) >= threshold)  # or not a number, where no weight is left
            unfinished = partial.filled < partial.position.shape[1]
            # Drawn whether or not it is needed, for a chain's stream must not depend on the others' need.
            drawn = _resampled(log_weights, randomness, conditional=retained is not None) if unfinished else None
            # Asking the device whether anything is to be done takes less than moving every cache at every pixel.
            if bool(short.any()):
                _check(target, at, log_weights)
                if drawn is not None:
                    partial = target.reindex(partial, _ancestors(drawn, short))
                    log_evidence = log_evidence + torch.where(short, log_mean_exp(log_weights), 0.0)
                    log_weights = log_weights.masked_fill(short[:, None], 0.0)
        if target.finished(partial) or partial.images.at[1] != at[1]:
            yield _cloud(partial, log_weights, log_evidence, at[1] + 1)


def _cloud(partial: Partial, log_weights: Tensor, log_evidence: Tensor, rows: int) -> Cloud:
    """The particles as they are, the weights' mean taken into the evidence."""
    shape = log_weights.shape
    evidence = log_evidence + log_mean_exp(log_weights)
    return Cloud(partial.position.view(*shape, -1).clone(), partial.log_mass.view(shape), log_weights, evidence, rows)


def _held(partial: Partial, retained: Tensor | None, num: int) -> Tensor | None:
    """What each particle is given at the next hidden position: the retained level for particle 0, -1 for the rest."""
    if retained is None:
        return None
    given = torch.full((len(retained), num), -1, device=retained.device)
    given[:, 0] = retained[:, partial.filled]
    return given.flatten()


def _resampled(log_weights: Tensor, randomness: Randomness, *, conditional: bool) -> Tensor:
    """Each particle's ancestor within its chain, (chains, num); conditionally, particle 0's is itself."""
    if not conditional:
        return systematic(log_weights, randomness)
    ancestors = draw_index(log_weights, uniform_like(log_weights, randomness))
    ancestors[:, 0] = 0
    return ancestors


def _ancestors(drawn: Tensor, short: Tensor) -> Tensor:
    """Places in the batch, (chains * num,): what was drawn in chains that are short, elsewhere each itself."""
    chains, num = drawn.shape
    itself = torch.arange(num, device=drawn.device)
    of_chain = torch.arange(chains, device=drawn.device)[:, None] * num
    return (of_chain + torch.where(short[:, None], drawn, itself)).flatten()


def _check(target: SequentialTarget, at: tuple[int, int, int], log_weights: Tensor) -> None:
    if not bool(log_weights.logsumexp(1).isfinite().all()):
        raise impossible(target, at)
