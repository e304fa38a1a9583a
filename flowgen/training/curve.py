"""A training curve to keep beside a checkpoint: a few rows of the run's log, and a picture of them."""

import csv
import html
import io
from pathlib import Path

from flowgen.checkpoint import write_atomically

__all__ = ["draw", "keep_curve", "thinned"]

ROWS = 200
WIDTH, HEIGHT, LEFT, BELOW, ABOVE = 640, 320, 64, 40, 28  # of the picture, and of what is around the plot
TICKS = 5

Row = dict[str, str]


def keep_curve(log: Path, checkpoint: Path) -> None:
    """Write the curve of a run beside its checkpoint: `x.csv` and `x.svg` beside `x.safetensors`.

    Args:
        log: the run's log.csv.
        checkpoint: what the run has written; its name goes over the picture.

    Raises:
        FlowgenError: if there is no room or no permission.
    """
    with log.open(newline="") as file:
        reader = csv.DictReader(file)
        rows, columns = thinned(list(reader)), reader.fieldnames or []
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(checkpoint.with_suffix(".csv"), text.getvalue().encode())
    write_atomically(checkpoint.with_suffix(".svg"), draw(rows, checkpoint.stem).encode())


def thinned(rows: list[Row]) -> list[Row]:
    """At most ROWS of the rows, equally far apart, the last among them."""
    every = max(1, -(-len(rows) // ROWS))
    return rows[::-1][::every][::-1]


def draw(rows: list[Row], title: str) -> str:
    """An SVG of bits per dimension by step.

    The scale is that of all rows after the first tenth: a run falls from far above within its first steps.
    """
    title, steps = html.escape(title), [int(row["step"]) for row in rows]
    bits = [float(row["bits_per_dim"]) for row in rows]
    settled = bits[len(bits) // 10 :] or [0.0]
    low, high = min(settled), max(max(settled), min(settled) + 1e-3)
    end = max([1, *steps])

    def x(step: float) -> float:
        return LEFT + (WIDTH - LEFT - 12) * step / end

    def y(value: float) -> float:
        return HEIGHT - BELOW - (HEIGHT - BELOW - ABOVE) * (value - low) / (high - low)

    points = " ".join(f"{x(step):.1f},{y(value):.1f}" for step, value in zip(steps, bits, strict=True) if value <= high)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        f'font-size="12" role="img" aria-label="{title}: training bits per dimension by step">'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>'
        f'<text x="{LEFT}" y="18" font-size="14">{title}: training bits/dim, smoothed, by step</text>'
        + "".join(_level(y(value), f"{value:.2f}") for value in _ticks(low, high))
        + "".join(_step(x(step), f"{step:.0f}") for step in _ticks(0, end))
        + f'<polyline points="{points}" fill="none" stroke="#1f6feb" stroke-width="1.5"/></svg>\n'
    )


def _ticks(low: float, high: float) -> list[float]:
    return [low + (high - low) * i / (TICKS - 1) for i in range(TICKS)]


def _level(y: float, text: str) -> str:
    return (
        f'<path d="M{LEFT} {y:.1f}H{WIDTH - 12}" stroke="#ddd"/>'
        f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{text}</text>'
    )


def _step(x: float, text: str) -> str:
    return f'<text x="{x:.1f}" y="{HEIGHT - BELOW + 20}" text-anchor="middle">{text}</text>'
