"""Gated PixelCNN beside pytorch-generative's, at equal depth and width, in one run: training and sampling.

    git clone https://github.com/EugenHotaj/pytorch-generative
    pip install -r bench/requirements.txt
    PYTHONPATH=pytorch-generative python bench/peers_autoregressive.py [--threads 2]

Both are given a 7x7 input layer, the layers of the committed gated_pixelcnn-mnist and its width, a head of twice that
width, and 256 outputs a pixel, untrained, 1x28x28. A training step is forward, backward and AdamW on 16 images. Ours
has byte embeddings and dilations, theirs bytes' values and an extra convolution a layer; ours samples with its cache,
theirs as it comes. What else runs on the machine goes into the times, so run it on a quiet one.
"""

import argparse
from collections.abc import Callable
from typing import Any

import torch
from speed import machine, median
from torch import Tensor, nn
from torch.nn import functional as F

import flowgen
from flowgen.models.gated_pixelcnn import GatedPixelCNN

BATCH = 16
STEPS = 10  # a timing


def main() -> None:
    """Print everything."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--threads", type=int, default=torch.get_num_threads(), help="CPU threads")
    arguments.add_argument("--repeats", type=int, default=5, help="repeats of each timing, of which the median counts")
    chosen = arguments.parse_args()
    torch.set_num_threads(chosen.threads)
    torch.manual_seed(0)
    hyperparameters = flowgen.describe("gated_pixelcnn-mnist").hyperparameters
    layers, hidden = len(hyperparameters["dilations"].split()), hyperparameters["hidden"]
    ours: Any = GatedPixelCNN(**{**hyperparameters, "num_classes": 0}).build((1, 28, 28))
    theirs = peer(layers, hidden)
    levels = torch.randint(256, (BATCH, 1, 28, 28))
    print(machine())
    print(f"{layers} layers of {hidden} channels, {BATCH} images of 28x28")
    print(f"{'':20}{'parameters':>12}{'trained images/s':>20}{'16 samples':>14}")

    steps = {
        "flowgen": step(ours, lambda: -ours.log_mass(levels).mean()),
        "pytorch-generative": step(theirs, lambda: cross_entropy(theirs, levels)),
    }
    seconds = alternately(steps, chosen.repeats)
    frozen = ours.frozen()
    sampling = {
        "flowgen": median(lambda: frozen.sample(BATCH, seed=0), chosen.repeats),
        "pytorch-generative": median(lambda: theirs.sample(BATCH), 1),
    }
    for name, model in {"flowgen": ours, "pytorch-generative": theirs}.items():
        size = sum(parameter.numel() for parameter in model.parameters())
        print(f"{name:20}{size:12}{BATCH / seconds[name]:20.1f}{sampling[name]:12.2f} s")
    print(
        f"flowgen trains {seconds['pytorch-generative'] / seconds['flowgen']:.2f} times as fast, "
        f"and samples {sampling['pytorch-generative'] / sampling['flowgen']:.0f} times as fast"
    )


def peer(layers: int, hidden: int) -> Any:
    """Their model of the same size."""
    try:
        from pytorch_generative.models import GatedPixelCNN as Theirs
    except ImportError as error:
        raise SystemExit(f"{error}; this needs pytorch-generative, as the docstring of this file says.") from None

    def draw(logits: Tensor) -> Tensor:
        return torch.multinomial(torch.softmax(logits, 1), 1) / 255

    return Theirs(1, 256, n_gated=layers, gated_channels=hidden, head_channels=2 * hidden, sample_fn=draw)


def cross_entropy(model: Any, levels: Tensor) -> Tensor:
    """Their loss for bytes: the net sees values in [0, 1] and gives 256 logits a pixel."""
    return F.cross_entropy(model(levels / 255), levels[:, 0], reduction="sum") / len(levels)


def step(model: nn.Module, loss: Callable[[], Tensor]) -> Callable[[], None]:
    """Some training steps, convolutions in channels_last for both."""
    model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)

    def take() -> None:
        for _ in range(STEPS):
            optimizer.zero_grad()
            loss().backward()
            optimizer.step()

    return take


def alternately(steps: dict[str, Callable[[], None]], repeats: int) -> dict[str, float]:
    """Median seconds a step, the models in turn, so that both meet what else the machine does."""
    times = {name: [median(take, 1) / STEPS] for name, take in steps.items()}
    for _ in range(repeats - 1):
        for name, take in steps.items():
            times[name].append(median(take, 1) / STEPS)
    return {name: sorted(values)[len(values) // 2] for name, values in times.items()}


if __name__ == "__main__":
    main()
