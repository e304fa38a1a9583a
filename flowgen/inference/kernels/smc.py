"""Sequential Monte Carlo by tempering: particles that are led from the reference to the target."""

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from flowgen import hyperparameters
from flowgen.errors import FlowgenError
from flowgen.inference.chains import Randomness, for_rows
from flowgen.inference.kernels.kernel import Info, check_possible
from flowgen.inference.kernels.particles import draw, effective_share, log_mean_exp, systematic
from flowgen.inference.kernels.tempering import MOVES, Moves, Points, place, reference_of, take, temper
from flowgen.inference.target import Reals, Target

__all__ = ["SMC", "SMCState"]

HALVINGS = 40  # a temperature is found to 2^-40: where nothing agrees yet, the first are that small


@dataclass(frozen=True)
class SMCState:
    """Populations, one a chain, of which the first particle is the chain's own position.

    Args:
        position: u, (chains, dim).
        log_density: the target's, (chains,).
        log_evidence: the estimate so far, (chains,).
        beta: how far each population is, (chains,).
        moving: the state of the kernel that moves the particles; None before they are drawn.
        step: how many steps led here.
        arrived: True where every chain is at the target, and goes on by its first particle alone.
    """

    position: Tensor
    log_density: Tensor
    log_evidence: Tensor
    beta: Tensor
    moving: Any = None
    step: int = 0
    arrived: bool = False


@dataclass(frozen=True)
class SMC:
    """Tempered sequential Monte Carlo: from draws of the reference to draws of the target, with its evidence.

        u_j ~ reference(u) likelihood(u)^beta;   w_j = likelihood(u_j)^(beta' - beta);   resample by w;   move
        log evidence = sum over the temperatures of log mean_j w_j,   which is log p(known)

    Each chain is a population of its own, so chains know nothing of each other. The next beta is where the effective
    sample size falls to a wanted share. Warm-up is for the way: when it ends, beta goes to 1 at once, whatever that
    leaves of the sample, and from there each population's first particle, drawn from it by weight, goes on as a chain.
    Step sizes are learnt on the way, each slot's own. With num_particles to infinity it is exact; the moves at beta = 1
    leave the target as it is whatever came before.

    References:
        Sequential Monte Carlo samplers (Del Moral et al., 2006)
        Inference for Lévy-driven stochastic volatility models via adaptive SMC (Jasra et al., 2011), for the betas
    """

    serves: ClassVar[tuple[type, ...]] = (Reals,)
    jacobian: ClassVar[bool] = True
    latent: ClassVar[bool] = True

    moves: Moves = field(default="pcn", metadata={"help": "the method that moves the particles between temperatures"})
    step_size: float = field(
        default=0.1, metadata={"help": "of the moves at first; warm-up adapts it", "min": 1e-6, "max": 1.0}
    )
    num_particles: int = field(
        default=16, metadata={"help": "particles of each completion; more are surer and slower", "min": 2, "max": 4096}
    )
    effective: float = field(
        default=0.5, metadata={"help": "share of the sample that a temperature step keeps", "min": 0.05, "max": 0.99}
    )

    num_moves: int = field(
        default=5, metadata={"help": "moves at each temperature, a step each", "min": 1, "max": 1000}
    )

    def __post_init__(self) -> None:
        hyperparameters.check(self)
        _ = self.kernel

    @property
    def kernel(self) -> Any:
        """What moves the particles."""
        return MOVES[self.moves](step_size=self.step_size)

    @torch.no_grad()
    def init(self, target: Target, position: Tensor) -> SMCState:
        reference_of(target)
        log_density = target.log_density(position)
        check_possible(log_density, log_density.isfinite())
        zero = torch.zeros_like(log_density)
        return SMCState(position.detach(), log_density, zero, zero)

    def step(
        self, target: Target, state: SMCState, generator: Randomness, *, warmup: bool = False
    ) -> tuple[SMCState, Info]:
        if state.arrived:
            moving, info = self.kernel.step(target, state.moving, generator)
            after = replace(state, position=moving.position, log_density=moving.log_density, moving=moving)
            return after, replace(info, log_evidence=log_mean_exp(state.log_evidence))
        if state.moving is None:
            moving, points, info = None, *self._begin(target, state, generator)
        else:
            moving, points, info = self._move(target, state, generator, warmup=warmup)
        if warmup and state.step % self.num_moves:
            after = self._shown(target, replace(state, moving=moving, step=state.step + 1), points, self.num_particles)
        else:
            after = self._advance(target, state, moving, points, generator, warmup=warmup)
        return after, replace(info, log_evidence=log_mean_exp(after.log_evidence))

    def _begin(self, target: Target, state: SMCState, generator: Randomness) -> tuple[Points, Info]:
        """The particles as they are drawn, those that are impossible with a likelihood of 0."""
        points = draw(target, state.position, self.num_particles, generator)
        possible = points.log_likelihood.isfinite().view(-1, self.num_particles)
        if not bool(possible.any(1).all()):
            raise FlowgenError(
                f"The model finds all of {self.num_particles} particles impossible: take more, or hide less or more."
            )
        return points, Info(~possible.any(1), torch.ones_like(state.beta))

    def _move(
        self, target: Target, state: SMCState, generator: Randomness, *, warmup: bool
    ) -> tuple[Any, Points, Info]:
        """Every particle after a move at its population's beta."""
        beta, rows = state.beta.repeat_interleave(self.num_particles), for_rows(generator, self.num_particles)
        moving, info = self.kernel.step(temper(target, beta), state.moving, rows, warmup=warmup)
        rejected, acceptance = (value.view(-1, self.num_particles) for value in (info.rejected, info.acceptance))
        return moving, take(target, moving, beta), Info(rejected.any(1), acceptance.mean(1))

    def _advance(
        self, target: Target, state: SMCState, moving: Any, points: Points, generator: Randomness, *, warmup: bool
    ) -> SMCState:
        """The populations weighed by the next beta, resampled, and ready to move there."""
        log_likelihood = points.log_likelihood.view(-1, self.num_particles)
        beta = self._next(log_likelihood, state.beta) if warmup else torch.ones_like(state.beta)
        log_weights = (beta - state.beta)[:, None] * log_likelihood
        ancestors = systematic(log_weights, generator)
        ancestors = ancestors if warmup else ancestors[:, :1]
        chains, kept = ancestors.shape
        first = torch.arange(chains, device=ancestors.device)
        points = points.at((first[:, None] * self.num_particles + ancestors).flatten())
        betas = beta.repeat_interleave(kept)
        if moving is None:
            moving = self.kernel.init(temper(target, betas), points.position)
        else:
            sizes = moving.step_sizes if warmup else moving.step_sizes.of(first * self.num_particles)
            moving = place(self.kernel, target, points, betas, sizes)
        log_evidence = state.log_evidence + log_mean_exp(log_weights)
        after = replace(state, log_evidence=log_evidence, beta=beta, moving=moving, step=state.step + 1)
        return self._shown(target, replace(after, arrived=not warmup), points, kept)

    def _shown(self, target: Target, state: SMCState, points: Points, num: int) -> SMCState:
        """The state with its position at the first of num points a chain."""
        first = points.at(torch.arange(len(state.beta), device=state.beta.device) * num)
        log_density = reference_of(target).log_prob(first.position) + first.log_likelihood
        return replace(state, position=first.position, log_density=log_density)

    def _next(self, log_likelihood: Tensor, beta: Tensor) -> Tensor:
        """The largest beta up to 1 at which the effective share is kept, by bisection: (chains,)."""
        high = 1 - beta
        low = high * 2.0**-HALVINGS  # rising is what drops the impossible

        def enough(rise: Tensor) -> Tensor:
            return effective_share(rise[:, None] * log_likelihood) >= self.effective

        whole = enough(high)
        for _ in range(HALVINGS):
            middle = 0.5 * (low + high)
            good = enough(middle)
            low, high = torch.where(good, middle, low), torch.where(good, high, middle)
        return torch.where(whole, 1.0, beta + low)
