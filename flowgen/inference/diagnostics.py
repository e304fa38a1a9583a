"""Diagnostics: how far a run can be trusted, in figures and in one plain sentence."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from flowgen.inference.frame import Frame
from flowgen.inference.target import Reals

__all__ = ["Diagnostics", "Kind", "diagnose", "kind_of", "makes_chains", "statistics"]

Kind = Literal["chains", "unadjusted", "modes", "independent", "particles"]
Floats = NDArray[np.float64]

MOST_R_HAT, LEAST_ESS = 1.01, 400.0  # both are the paper's; 400 are as many as R-hat itself needs to be believed
LEAST_ACCEPTANCE = 0.01
STILL = 1e6  # R-hat of chains that do not move at all, up to rounding
LEAST_DRAWS = 8  # a chain: of fewer, split in two, no variance can be told
PIXELS = 8

NO_CHAINS = {
    "modes": "These are modes, each found by ascent from a start of its own: the most probable completion near it, and "
    "no draws from the posterior.",
    "independent": "These are exact draws of p(hidden | known), independent of each other: there is no chain that "
    "could fail to converge.",
    "particles": "These are weighted particles, resampled, and no chain: each variant is a draw whose error shrinks as "
    "their number grows.",
}


@dataclass(frozen=True)
class Diagnostics:
    """What there is to say about the draws of a run; what does not apply to its kind is None.

    Args:
        kind: of method; "chains" are exact ones, "unadjusted" those whose step size biases them.
        chains: how many.
        draws: of each chain, after warm-up.
        seconds: that the run took.
        r_hat: split R-hat, rank-normalised and folded, the largest of all statistics.
        ess_bulk, ess_tail: effective sample sizes of all chains together, each the smallest of all statistics.
        acceptance: mean probability of acceptance after warm-up, over the chains.
        log_evidence: estimate of log p(known), in nats.
        problems: why the run has not converged, a clause each.
    """

    kind: Kind
    chains: int
    draws: int
    seconds: float
    r_hat: float | None = None
    ess_bulk: float | None = None
    ess_tail: float | None = None
    acceptance: float | None = None
    log_evidence: float | None = None
    problems: tuple[str, ...] = ()

    @property
    def converged(self) -> bool | None:
        """Whether nothing speaks against it; None for what is no chain."""
        return None if self.kind in NO_CHAINS else not self.problems

    @property
    def ess_per_second(self) -> float | None:
        """The smaller of both effective sample sizes by the seconds of the whole run, warm-up included."""
        if self.ess_bulk is None or self.ess_tail is None or self.seconds <= 0:
            return None
        return min(self.ess_bulk, self.ess_tail) / self.seconds

    @property
    def verdict(self) -> str:
        """A sentence: converged, or not and why, or what there is instead of a chain."""
        evidence = "" if self.log_evidence is None else f" log p(known) is about {self.log_evidence:.1f} nats."
        return self._judgement + evidence

    @property
    def _judgement(self) -> str:
        if self.kind in NO_CHAINS:
            return NO_CHAINS[self.kind]
        if self.problems:
            return f"Not converged, because {'; '.join(self.problems)}."
        bias = " to a law that its step size biases, for it accepts every step" if self.kind == "unadjusted" else ""
        return (
            f"Converged{bias}: R-hat is {self.r_hat or 1:.3f}, and the draws are worth {self.ess_bulk or 0:.0f} "
            f"independent ones in the bulk and {self.ess_tail or 0:.0f} in the tails."
        )

    def facts(self) -> dict[str, Any]:
        """Everything, as JSON holds it."""
        return {
            **asdict(self),
            "problems": list(self.problems),
            "ess_per_second": self.ess_per_second,
            "converged": self.converged,
            "verdict": self.verdict,
        }


def makes_chains(method: type[Any]) -> bool:
    """Whether a method's steps are draws: it has steps, and does not seek the mode."""
    return hasattr(method, "step") and bool(method.jacobian)


def kind_of(method: type[Any], frame: Frame) -> Kind:
    """What a method's completions are, by what its class declares and what its last frame reports."""
    if frame.log_evidence is not None and frame.acceptance is None:
        return "particles"
    if not hasattr(method, "step"):
        return "independent"
    if not method.jacobian:
        return "modes"
    accepts_all = frame.acceptance is None and not frame.warming_up and Reals in method.serves
    return "unadjusted" if accepts_all else "chains"


def statistics(log_density: Floats, levels: Floats, names: Sequence[str]) -> dict[str, Floats]:
    """The quantities of a draw that are watched, (chains, draws) each: few, and fixed before the run.

    Args:
        log_density: (chains, draws).
        levels: of the hidden pixels, (chains, kept draws, hidden).
        names: of the hidden pixels, for the sentences.
    """
    hidden = levels.shape[2]
    spread = np.unique(np.linspace(0, hidden - 1, min(PIXELS, hidden)).astype(int))
    pixels = {names[i]: levels[:, :, i] for i in spread}
    return {"the log-density": log_density, "the mean of the hidden pixels": levels.mean(2), **pixels}


def diagnose(
    kind: Kind,
    watched: Mapping[str, Floats],
    *,
    seconds: float,
    acceptance: Floats | None = None,
    log_evidence: float | None = None,
) -> Diagnostics:
    """Judge the draws of a run.

    Args:
        kind: of method.
        watched: of `statistics`; draws are those after warm-up.
        seconds: that the run took.
        acceptance: mean probability of each chain, (chains,); None for what accepts everything.
        log_evidence: estimate of log p(known).

    References:
        Rank-normalization, folding, and localization: an improved R-hat (Vehtari et al., 2021), arXiv:1903.08008
    """
    chains, draws = watched["the log-density"].shape
    rate = None if acceptance is None else float(acceptance.mean())
    if kind in NO_CHAINS:
        return Diagnostics(kind, chains, draws, seconds, acceptance=rate, log_evidence=log_evidence)
    if min(values.shape[1] for values in watched.values()) < LEAST_DRAWS:
        few = (f"{draws} draws a chain after warm-up are too few to tell, of at least {LEAST_DRAWS}",)
        return Diagnostics(kind, chains, draws, seconds, None, None, None, rate, log_evidence, few)
    r_hats = {name: _r_hat(values) for name, values in watched.items()}
    bulk = {name: _ess(values, "bulk") for name, values in watched.items()}
    tail = {name: _ess(values, "tail") for name, values in watched.items()}
    still = ("no chain moved",) if np.ptp(watched["the log-density"], axis=1).max() == 0 else ()
    problems = (*still, *_acceptance_problems(acceptance), *_r_hat_problems(r_hats), *_ess_problems(bulk, tail))
    worst = max(r_hats.values()), min(bulk.values()), min(tail.values())
    return Diagnostics(kind, chains, draws, seconds, *worst, rate, log_evidence, problems)


def _r_hat(values: Floats) -> float:
    """Split R-hat; 1 for what never varies, and infinite where chains stand still at different values."""
    from arviz_stats.base import array_stats  # takes most of a second to import, which only a finished run needs

    if np.ptp(values) == 0:
        return 1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        r_hat = float(array_stats.rhat(_at_least_two(values), chain_axis=0, draw_axis=1))
    return r_hat if r_hat < STILL else float("inf")


def _ess(values: Floats, method: Literal["bulk", "tail"]) -> float:
    from arviz_stats.base import array_stats

    prob = (0.05, 0.95) if method == "tail" else None
    with np.errstate(divide="ignore", invalid="ignore"):
        ess = float(array_stats.ess(_at_least_two(values), chain_axis=0, draw_axis=1, method=method, prob=prob))
    return ess if np.isfinite(ess) else 0.0


def _at_least_two(values: Floats) -> Floats:
    """A single chain as its two halves, since arviz compares chains."""
    if len(values) > 1:
        return values
    half = values.shape[1] // 2
    return np.stack([values[0, :half], values[0, -half:]])


def _acceptance_problems(acceptance: Floats | None) -> Iterator[str]:
    if acceptance is None:
        return
    if acceptance.mean() < LEAST_ACCEPTANCE:
        yield f"only {100 * acceptance.mean():.1f} % of the proposals were accepted"
    elif stuck := int((acceptance < LEAST_ACCEPTANCE).sum()):
        yield f"{stuck} of {len(acceptance)} chains accepted almost nothing"


def _r_hat_problems(r_hats: Mapping[str, float]) -> Iterator[str]:
    name = max(r_hats, key=lambda name: r_hats[name])
    if not np.isfinite(r_hats[name]):
        yield f"chains stand still apart from each other, by {name}"
    elif r_hats[name] > MOST_R_HAT:
        yield f"the chains do not agree (R-hat is {r_hats[name]:.2f} for {name}, and should be under {MOST_R_HAT})"


def _ess_problems(bulk: Mapping[str, float], tail: Mapping[str, float]) -> Iterator[str]:
    part, found = min((("bulk", bulk), ("tails", tail)), key=lambda pair: min(pair[1].values()))
    name = min(found, key=lambda name: found[name])
    if found[name] < LEAST_ESS:
        worth = f"{found[name]:.0f} independent ones of {LEAST_ESS:.0f}"
        yield f"the draws are worth {worth} needed, in the {part} of {name}"
