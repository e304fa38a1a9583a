"""A result: completions of a picture, what they have in common, and the evidence, as pictures and in one archive."""

import csv
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from flowgen.data.pictures import from_levels, grid, png_bytes
from flowgen.inference.diagnostics import Diagnostics

__all__ = ["Result", "Trace"]

LONG_AGO = (1980, 1, 1, 0, 0, 0)  # of every entry: equal results are equal files
MILLISECONDS = 80  # a frame of the animation
SHOWN = 16  # chains in the animation
WIDTH = 256  # pixels of the animation, about


@dataclass(frozen=True)
class Trace:
    """The log-densities of a run, a row a step.

    Args:
        steps: (steps,), from 1.
        log_density: (steps, chains), in nats up to a constant.
        warming_up: (steps,) True where the kernel still adapted.
        acceptance: (steps,) mean probability so far, NaN for what accepts everything.
    """

    steps: NDArray[np.int64]
    log_density: NDArray[np.float64]
    warming_up: NDArray[np.bool_]
    acceptance: NDArray[np.float64]

    def csv(self) -> bytes:
        """As a table: step, warming_up, acceptance, and a column a chain."""
        file = io.StringIO(newline="")
        table = csv.writer(file)
        table.writerow(
            ["step", "warming_up", "acceptance", *(f"log_density_{i}" for i in range(len(self.log_density[0])))]
        )
        for step, warm, rate, values in zip(
            self.steps, self.warming_up, self.acceptance, self.log_density, strict=True
        ):
            accepted = "" if np.isnan(rate) else f"{rate:.6g}"
            table.writerow([int(step), int(warm), accepted, *(f"{value:.9g}" for value in values)])
        return file.getvalue().encode()


@dataclass(frozen=True)
class Result:
    """What a run came to, up to its end or to where it was stopped.

    Args:
        image: (c, h, w) uint8, what was given.
        known: (h, w) bool, True where it was kept.
        levels: values a pixel takes.
        completions: (k, c, h, w) uint8, where each chain ended; known pixels are the image's.
        mean: (c, h, w), of the draws after warm-up, in levels; of the completions where no draws came or are made.
        deviation: (c, h, w), their standard deviation, in levels.
        film: (frames, chains, c, h, w) uint8, the run from its start to its end.
        trace: its log-densities.
        diagnostics: how far to trust it.
        settings: what made it.
    """

    image: Tensor
    known: Tensor
    levels: int
    completions: Tensor
    mean: Tensor
    deviation: Tensor
    film: Tensor
    trace: Trace
    diagnostics: Diagnostics
    settings: Mapping[str, Any]

    def mean_png(self) -> bytes:
        """The mean of the draws; known pixels are the image's."""
        return png_bytes(from_levels(self.mean.round().byte(), self.levels))

    def deviation_png(self) -> bytes:
        """The standard deviation of the draws: black is 0, and white half the range, which none can exceed."""
        share = (2 * self.deviation / (self.levels - 1)).clamp(0, 1)
        return png_bytes(from_levels((255 * share).round().byte()))

    def film_webp(self) -> bytes:
        """The run as an animation without loss, its first chains side by side, enlarged without smoothing."""
        sheets = [grid(frame[:SHOWN], levels=self.levels).convert("RGB") for frame in self.film]
        scale = max(1, WIDTH // sheets[0].width)
        size = (sheets[0].width * scale, sheets[0].height * scale)
        large = [sheet.resize(size, Image.Resampling.NEAREST) for sheet in sheets]
        durations = [MILLISECONDS] * (len(large) - 1) + [20 * MILLISECONDS]
        file = io.BytesIO()
        large[0].save(
            file, "WEBP", save_all=True, append_images=large[1:], duration=durations, loop=0, lossless=True, method=0
        )
        return file.getvalue()

    def files(self) -> dict[str, bytes]:
        """Everything by its name in the archive."""
        hole = from_levels((~self.known)[None].byte() * 255)
        singles = {f"completions/{i:03}.png": self._png(one) for i, one in enumerate(self.completions)}
        return {
            "image.png": self._png(self.image),
            "mask.png": png_bytes(hole),
            **singles,
            "completions.png": png_bytes(grid(self.completions, levels=self.levels)),
            "mean.png": self.mean_png(),
            "deviation.png": self.deviation_png(),
            "chain.webp": self.film_webp(),
            "trace.csv": self.trace.csv(),
            "settings.json": json.dumps(self.facts(), indent=2).encode(),
        }

    def facts(self) -> dict[str, Any]:
        """The settings, the versions and the diagnostics, as JSON holds them."""
        versions = {name: version(name) for name in ("flowgen", "torch", "arviz-stats")}
        shown = {key: _finite(value) for key, value in self.diagnostics.facts().items()}
        return {**self.settings, "versions": versions, "diagnostics": shown}

    def archive(self) -> bytes:
        """A zip of all files."""
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in self.files().items():
                entry = zipfile.ZipInfo(name, LONG_AGO)
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, content)
        return file.getvalue()

    def _png(self, levels: Tensor) -> bytes:
        return png_bytes(from_levels(levels, self.levels))


def _finite(value: Any) -> Any:
    """A number as JSON can hold it: what is infinite becomes a word."""
    return str(value) if isinstance(value, float) and not np.isfinite(value) else value
