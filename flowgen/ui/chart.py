"""The log-densities of a run as lines, one a chain, drawn in the page itself."""

import numpy as np
from numpy.typing import NDArray

from flowgen.inference import Trace

__all__ = ["chart"]

POINTS = 240  # a line, at most
WIDTH, HEIGHT = 600, 120
MOST_TIMES = 6  # the later half's range that all of a run may take and still be shown whole


def chart(trace: Trace, num_steps: int, *, by_rows: bool = False) -> str:
    """An SVG of the log-densities so far; what is warm-up is shaded.

    The scale is that of all there is, unless the later half would vanish in it: the search that begins a run weighs
    other things, and may climb from far below. What is below the scale runs along its edge.

    Args:
        trace: what there is.
        num_steps: of the whole run.
        by_rows: a step is a row, and a value the log-probability of all rows so far.
    """
    steps, values = trace.steps, trace.log_density
    low, high = _range(values)
    of = "log-probability of the rows so far, nats" if by_rows else "log-density of each variant, nats"
    floor = "≤ " if values.min() < low else ""
    every = -(-len(steps) // POINTS)
    shown = np.unique(np.append(np.arange(0, len(steps), every), len(steps) - 1))
    lines = "".join(
        _line(
            steps[shown] / num_steps, (values[shown, chain] - low) / (high - low), 200 + 150 * chain / values.shape[1]
        )
        for chain in range(values.shape[1])
    )
    warm = WIDTH * (float(steps[trace.warming_up].max()) / num_steps if trace.warming_up.any() else 0.0)
    return (
        f'<figure class="fg-chart"><figcaption><span>{of}</span>'
        f"<span>{'warm-up shaded' if warm else ''}</span></figcaption>"
        f'<div class="fg-plot"><div class="fg-axis"><span>{high:.0f}</span><span>{floor}{low:.0f}</span></div>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="log-density from {low:.0f} to {high:.0f} nats over {num_steps} steps">'
        f'<rect class="warm" width="{warm:.1f}" height="{HEIGHT}"/>{lines}</svg></div>'
        f'<div class="fg-ends"><span>step 1</span><span>{num_steps}</span></div></figure>'
    )


def _range(values: NDArray[np.float64]) -> tuple[float, float]:
    settled = values[len(values) // 2 :]
    low, high = float(settled.min()), float(settled.max())
    if values.max() - values.min() <= MOST_TIMES * (high - low):
        low, high = float(values.min()), float(values.max())
    margin = max(0.05 * (high - low), 0.5)
    return low - margin, high + margin


def _line(x: NDArray[np.float64], y: NDArray[np.float64], hue: float) -> str:
    heights = HEIGHT * (1 - y.clip(0, 1))
    points = " ".join(f"{WIDTH * a:.1f},{b:.1f}" for a, b in zip(x, heights, strict=True))
    return f'<polyline points="{points}" style="stroke:hsl({hue:.0f} 70% 55%)"/>'
