"""Figures that are known beforehand, and a sentence for everything that can be wrong with a chain."""

import numpy as np
import pytest
import torch
from arviz_stats.base import array_stats

from flowgen.inference import KERNELS, METHODS, Diagnostics, Frame, InOrder
from flowgen.inference.diagnostics import diagnose, kind_of, makes_chains, statistics
from flowgen.inference.kernels import MALA, Langevin

CHAINS, DRAWS = 4, 5000


def walks(rho: float, *, chains: int = CHAINS, draws: int = DRAWS, seed: int = 0) -> np.ndarray:
    """Chains x_t = rho x_(t-1) + sqrt(1 - rho^2) noise, standard normal: worth (1 - rho) / (1 + rho) draws a step."""
    noise = np.random.default_rng(seed).normal(size=(chains, draws))
    x = noise[:, :1]
    steps = [x]
    for t in range(1, draws):
        x = rho * x + np.sqrt(1 - rho**2) * noise[:, t : t + 1]
        steps.append(x)
    return np.concatenate(steps, axis=1)


def judge(values: np.ndarray, acceptance: list[float] | None = None, kind: str = "chains", **options) -> Diagnostics:
    rates = None if acceptance is None else np.array(acceptance)
    return diagnose(kind, {"the log-density": values}, seconds=2.0, acceptance=rates, **options)


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.8])
def test_effective_samples_are_those_of_the_known_autocorrelation(rho):
    found = judge(walks(rho))
    expected = CHAINS * DRAWS * (1 - rho) / (1 + rho)
    assert found.ess_bulk == pytest.approx(expected, rel=0.15)
    assert found.ess_per_second == pytest.approx(min(found.ess_bulk, found.ess_tail) / 2)
    assert found.r_hat < 1.01
    assert found.converged is True
    assert found.verdict.startswith("Converged: R-hat is 1.00")


def test_the_worst_statistic_decides():
    good, bad = walks(0.0), walks(0.999, seed=1)
    found = diagnose("chains", {"the log-density": good, "hidden pixel 3": bad}, seconds=1.0)
    assert found.r_hat == pytest.approx(array_stats.rhat(bad))
    assert found.converged is False
    assert "for hidden pixel 3" in found.verdict


@pytest.mark.parametrize(
    ("values", "acceptance", "reason"),
    [
        (walks(0.0) + np.array([[0.0], [0.0], [0.0], [1.0]]), None, "the chains do not agree (R-hat is 1."),
        (walks(0.0, draws=60), None, "independent ones"),
        (walks(0.0), [0.001] * 4, "only 0.1 % of the proposals were accepted"),
        (walks(0.0), [0.5, 0.5, 0.5, 0.0], "1 of 4 chains accepted almost nothing"),
        (np.arange(4.0)[:, None].repeat(100, axis=1), None, "stand still apart"),
        (np.ones((CHAINS, DRAWS)), None, "no chain moved"),
        (walks(0.0, draws=7), None, "7 draws a chain after warm-up are too few"),
        (walks(0.0, chains=1) + np.linspace(0, 5, DRAWS), None, "the chains do not agree"),
    ],
    ids=["apart", "short", "refused", "one stuck", "still", "still together", "too few", "one that drifts"],
)
def test_what_has_not_converged_says_why(values, acceptance, reason):
    found = judge(values, acceptance)
    assert found.converged is False
    assert found.verdict.startswith("Not converged, because ")
    assert reason in found.verdict


def test_one_chain_is_compared_with_its_own_other_half():
    assert judge(walks(0.0, chains=1)).converged is True


def test_a_pixel_that_never_varies_says_nothing_against_a_run():
    levels = np.zeros((CHAINS, DRAWS, 3))
    levels[:, :, 1] = walks(0.0, seed=3)
    watched = statistics(walks(0.0), levels, "abc")
    assert list(watched) == [
        "the log-density",
        "the mean of the hidden pixels",
        *"abc",
    ]
    assert diagnose("chains", watched, seconds=1.0).converged is True


def test_pixels_are_watched_all_over_the_hole():
    watched = statistics(np.zeros((2, 5)), np.zeros((2, 5, 141)), [f"pixel {i}" for i in range(141)])
    assert list(watched)[2:] == [f"pixel {i}" for i in range(0, 141, 20)]


def test_chains_that_accept_everything_are_called_biased():
    assert "biases" in judge(walks(0.0), kind="unadjusted").verdict
    assert "biases" not in judge(walks(0.0)).verdict


@pytest.mark.parametrize(
    ("kind", "words"), [("modes", "no draws"), ("independent", "exact"), ("particles", "weighted")]
)
def test_what_is_no_chain_is_not_judged_as_one(kind, words):
    found = judge(walks(0.999), kind=kind, log_evidence=-12.34)
    assert found.converged is None
    assert found.r_hat is None
    assert words in found.verdict
    assert "log p(known) is about -12.3 nats" in found.verdict
    assert found.facts()["verdict"] == found.verdict


def reported(acceptance=None, log_evidence=None, warming_up=False) -> Frame:
    still, rate = torch.zeros(2), None if acceptance is None else torch.full((2,), acceptance)
    return Frame(1, 2, still[:, None], still, still.long(), rate, warming_up, lambda u: u, log_evidence)


@pytest.mark.parametrize("method", METHODS)
def test_a_method_is_of_the_kind_that_it_declares(method):
    found = kind_of(METHODS[method], reported())
    assert makes_chains(METHODS[method]) == (found in ("chains", "unadjusted"))
    assert (found == "modes") == (method in KERNELS and not KERNELS[method].jacobian)
    assert (found == "independent") == (method not in KERNELS)


def test_what_a_kernel_reports_completes_what_it_declares():
    assert kind_of(Langevin, reported()) == "unadjusted"
    assert kind_of(Langevin, reported(warming_up=True)) == "chains", "the search before it accepts everything"
    assert kind_of(MALA, reported(acceptance=0.5)) == "chains"
    assert kind_of(MALA, reported(acceptance=0.5, log_evidence=-3.0)) == "chains", "particles that go on as chains"
    assert kind_of(Langevin, reported(log_evidence=-3.0)) == "particles"
    assert kind_of(InOrder, reported(log_evidence=-3.0)) == "particles"
    assert kind_of(InOrder, reported()) == "independent"
