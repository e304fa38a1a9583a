"""Particles along the raster: drawn where a pixel is hidden, weighed where it is known, and resampled."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from flowgen.errors import FlowgenError
from flowgen.inference.chains import Randomness, uniform_like
from flowgen.inference.sequential_target import Partial, SequentialTarget, draw_index, impossible

__all__ = ["MAX_PARTICLES", "Cloud", "check_number", "effective", "move_along", "systematic"]

MAX_PARTICLES = 4096  # at once; each takes about 100 kB of a small model's cache


@dataclass(frozen=True)
class Cloud:
    """Weighted particles, of each chain its own.

    Args:
        position: their hidden levels so far, (chains, particles, dim).
        log_mass: of all they consist of so far, known and hidden, (chains, particles) in nats.
        log_weights: (chains, particles).
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


def move_along(
    target: SequentialTarget,
    chains: int,
    particles: int,
    threshold: float,
    randomness: Randomness,
    retained: Tensor | None = None,
) -> Iterator[Cloud]:
    """Sequential Monte Carlo in raster order, a cloud a row from the first row with something hidden in it.

        hidden: k_t ~ p(k_t | k_<t),   known: w <- w p(k_t | k_<t)
        p(known) ~ prod over resamplings of mean(w),   resampled where (sum w)^2 / sum w^2 < threshold * particles

    Chains run side by side and know nothing of each other. After the last hidden position nothing is drawn that
    resampling could serve, and there is none.

    Args:
        target: what to complete.
        chains: how many independent clouds.
        particles: of each.
        threshold: in [0, 1], the effective share below which a chain's particles are resampled.
        randomness: as `uniform_like` takes it.
        retained: (chains, dim), a completion a chain that its particle 0 is held to; the others are then resampled
            independently (conditional SMC), and systematically otherwise.

    Raises:
        FlowgenError: if no particle of a chain allows a known level.
    """
    partial = target.init(chains * particles)
    log_weights = partial.log_mass.new_zeros(chains, particles)
    log_evidence = partial.log_mass.new_zeros(chains) + target.prefix.log_mass
    while not target.finished(partial):
        at = partial.images.at
        if target.hidden_next(partial):
            u = uniform_like(log_weights, randomness).flatten()
            target.advance(partial, u, _held(partial, retained, particles))
        else:
            log_weights = log_weights + target.advance(partial).view(chains, particles)
            if partial.filled < partial.position.shape[1]:
                # Drawn whether or not it is needed, for a chain's stream must not depend on the others' need.
                drawn = _resampled(log_weights, randomness, conditional=retained is not None)
                short = ~(effective(log_weights) >= threshold * particles)
                # Asking the device whether anything is to be done takes less than moving every cache at every pixel.
                if bool(short.any()):
                    _check(target, at, log_weights)
                    partial = target.reindex(partial, _ancestors(drawn, short))
                    log_evidence = log_evidence + torch.where(short, _log_mean(log_weights), 0.0)
                    log_weights = log_weights.masked_fill(short[:, None], 0.0)
        if target.finished(partial) or partial.images.at[1] != at[1]:
            _check(target, at, log_weights)
            yield Cloud(
                partial.position.view(chains, particles, -1).clone(),
                partial.log_mass.view(chains, particles),
                log_weights,
                log_evidence + _log_mean(log_weights),
                rows=at[1] + 1,
            )


def effective(log_weights: Tensor) -> Tensor:
    """The effective number of particles, (sum w)^2 / sum w^2: (chains, particles) -> (chains,)."""
    return torch.exp(2 * log_weights.logsumexp(1) - (2 * log_weights).logsumexp(1))


def systematic(log_weights: Tensor, u: Tensor) -> Tensor:
    """Ancestors, (chains, particles), each as often as its weight says, rounded down or up, by one uniform a chain.

    References:
        Comparison of resampling schemes for particle filtering (Douc et al., 2005)
    """
    number = log_weights.shape[1]
    points = (torch.arange(number, device=u.device) + u[:, None]) / number
    return draw_index(log_weights, points)


def check_number(chains: int, particles: int) -> None:
    """Make sure that so many particles fit.

    Raises:
        FlowgenError: if they do not.
    """
    if chains * particles > MAX_PARTICLES:
        raise FlowgenError(
            f"{chains} variants of {particles} particles each are {chains * particles} at once, and there is room for "
            f"{MAX_PARTICLES}: ask for fewer variants or particles."
        )


def _held(partial: Partial, retained: Tensor | None, particles: int) -> Tensor | None:
    """What each particle is given at the next hidden position: the retained level for particle 0, -1 for the rest."""
    if retained is None:
        return None
    given = torch.full((len(retained), particles), -1, device=retained.device)
    given[:, 0] = retained[:, partial.filled]
    return given.flatten()


def _resampled(log_weights: Tensor, randomness: Randomness, *, conditional: bool) -> Tensor:
    """Each particle's ancestor within its chain, (chains, particles); conditionally, particle 0's is itself."""
    if not conditional:
        return systematic(log_weights, uniform_like(log_weights[:, 0], randomness))
    ancestors = draw_index(log_weights, uniform_like(log_weights, randomness))
    ancestors[:, 0] = 0
    return ancestors


def _ancestors(drawn: Tensor, short: Tensor) -> Tensor:
    """Places in the batch, (chains * particles,): what was drawn in chains that are short, elsewhere each itself."""
    chains, particles = drawn.shape
    itself = torch.arange(particles, device=drawn.device)
    of_chain = torch.arange(chains, device=drawn.device)[:, None] * particles
    return (of_chain + torch.where(short[:, None], drawn, itself)).flatten()


def _check(target: SequentialTarget, at: tuple[int, int, int], log_weights: Tensor) -> None:
    if not bool(log_weights.logsumexp(1).isfinite().all()):
        raise impossible(target, at)


def _log_mean(log_weights: Tensor) -> Tensor:
    return log_weights.logsumexp(1) - math.log(log_weights.shape[1])
