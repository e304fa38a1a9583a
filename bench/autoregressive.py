"""Sampling with the cache against sampling without, at equal weights, in one run: python bench/autoregressive.py.

Without a cache each colour of each pixel takes a pass over the whole image. One pass is timed and multiplied by their
number, since every pass costs the same. What else runs on the machine goes into the times, so run it on a quiet one.
"""

import argparse
from typing import Any

import torch
from speed import machine, median

import flowgen
from flowgen.models.gated_pixelcnn import GatedPixelCNN

BATCH = 16
PASSES = 12


def main() -> None:
    """Print everything."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--threads", type=int, default=torch.get_num_threads(), help="CPU threads")
    arguments.add_argument("--repeats", type=int, default=5, help="repeats of each timing, of which the median counts")
    chosen = arguments.parse_args()
    torch.set_num_threads(chosen.threads)
    print(machine(), flush=True)
    print(f"{'model':28}{f'{BATCH} images, cached':>20}{'without':>12}{'times as fast':>16}")
    for name in ("gated_pixelcnn-mnist", "pixelcnn-mnist"):
        compare(name, flowgen.load(name, device="cpu").frozen(), chosen.repeats)
    torch.manual_seed(0)
    colour = GatedPixelCNN().build((3, 32, 32)).frozen()
    compare("gated_pixelcnn, 3 x 32 x 32", colour, chosen.repeats)


@torch.inference_mode()
def compare(name: str, model: Any, repeats: int) -> None:
    """Print one model's row."""
    cached = median(lambda: model.sample(BATCH, seed=0), repeats)
    levels = flowgen.to_bytes(model.sample(BATCH, seed=0), model.levels)
    one = median(lambda: naive_pass(model, levels), PASSES)
    naive = one * levels[0].numel()
    print(f"{name:28}{cached:18.2f} s{naive:10.1f} s{naive / cached:16.0f}", flush=True)


def naive_pass(model: Any, levels: torch.Tensor) -> None:
    """What one colour of one pixel costs without a cache: the net on whole images, and one draw."""
    parameters = model.net(levels)
    colour = parameters.unflatten(1, (levels.shape[1], -1))[:, 0, :, 14, 14]
    torch.multinomial(torch.softmax(colour, -1), 1)


if __name__ == "__main__":
    main()
