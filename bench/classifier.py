"""A small convolutional net that reads digits, to tell whether a completed digit is still the one it was."""

from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from flowgen.data import DATASETS

__all__ = ["classifier"]

PLACE = Path(__file__).resolve().parent.parent / "runs" / "classifier.pt"
STEPS, BATCH = 1500, 64


def classifier() -> nn.Module:
    """The net, (b, 1, 28, 28) in [0, 1] to (b, 10) logits; it is trained once, in half a minute, and kept in runs/."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * 7 * 7, 10),
    )
    if PLACE.exists():
        net.load_state_dict(torch.load(PLACE, weights_only=True))
    else:
        _train(net)
        PLACE.parent.mkdir(exist_ok=True)
        torch.save(net.state_dict(), PLACE)
    return net.eval()


def _train(net: nn.Module) -> None:
    train, test = (DATASETS["mnist"]().load(split) for split in ("train", "test"))
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, STEPS)
    for _ in range(STEPS):
        chosen = torch.randint(len(train.levels), (BATCH,))
        loss = F.cross_entropy(net(train.levels[chosen] / 255.0), train.labels[chosen].long())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    print(f"classifier: {100 * _accuracy(net, test):.1f} % of the test digits", flush=True)


@torch.no_grad()
def _accuracy(net: nn.Module, images: Any) -> float:
    guesses = torch.cat([net(part / 255.0).argmax(1) for part in images.levels.split(1000)])
    return float((guesses == images.labels).float().mean())
