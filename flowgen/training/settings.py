"""How a model is trained: one frozen dataclass, from which the command line's flags derive."""

import math
from dataclasses import dataclass, field
from typing import Literal

from flowgen.errors import FlowgenError

__all__ = ["Settings"]

LARGEST_RATE = 1e6  # far beyond use, and far below where an optimiser's own arithmetic overflows


@dataclass(frozen=True)
class Settings:
    """Training's hyperparameters; with the recipe and the data set they determine the weights, on one kind of machine.

    Exactly one of steps and hours is the budget. Hours become a number of steps once the first ones have been timed, so
    that the schedule is known and a resumed run is exact.
    """

    steps: int | None = field(default=None, metadata={"help": "budget in optimiser steps", "min": 1})
    hours: float | None = field(default=None, metadata={"help": "budget in hours by the clock", "min": 0.0})
    batch_size: int = field(default=32, metadata={"help": "images a step, over all processes", "min": 1})
    optimizer: Literal["muon", "muon_hidden", "adamw", "adamax"] = field(
        default="muon", metadata={"help": "optimiser; muon_hidden leaves an autoregressive net's last layer to AdamW"}
    )
    lr: float = field(default=2e-3, metadata={"help": "learning rate of AdamW or Adamax", "min": 0.0})
    muon_lr: float = field(default=0.02, metadata={"help": "learning rate of Muon", "min": 0.0})
    weight_decay: float = field(default=0.1, metadata={"help": "weight decay of Muon's weights", "min": 0.0})
    warmup: int = field(default=100, metadata={"help": "steps of linear warm-up", "min": 0})
    decay: float = field(
        default=1.0, metadata={"help": "share of the steps, at the end, of linear decay", "min": 0.0, "max": 1.0}
    )
    clip: float = field(default=1.0, metadata={"help": "largest gradient norm, of bits/dim", "min": 0.0})
    ema: float = field(
        default=0.999, metadata={"help": "decay of the moving average of weights", "min": 0.0, "max": 1.0}
    )
    seed: int = field(
        default=0, metadata={"help": "keys initial weights, batches and noise", "min": 0, "max": 2**31 - 1}
    )
    mixed_precision: Literal["no", "bf16"] = field(default="no", metadata={"help": "precision of the nets"})
    invertible: bool = field(
        default=False,
        metadata={
            "help": "recompute a flow's activations by inversion: memory is flat in depth, a step 1.5 times as long"
        },
    )

    def __post_init__(self) -> None:
        self._check_budget()
        if not 0 <= self.decay <= 1 or not 0 <= self.ema < 1:
            raise FlowgenError("--decay must lie in [0, 1] and --ema in [0, 1).")
        if self.batch_size < 1 or not self.clip > 0 or self.warmup < 0:
            raise FlowgenError("--batch-size must be at least 1, --clip above 0 and --warmup at least 0.")
        if not (0 <= self.lr <= LARGEST_RATE and 0 <= self.muon_lr <= LARGEST_RATE):
            raise FlowgenError(f"--lr and --muon-lr must lie in [0, {LARGEST_RATE:g}].")
        if not 0 <= self.weight_decay * max(self.muon_lr, 1) <= 1:
            raise FlowgenError("--weight-decay must lie in [0, 1], and in [0, 1 / --muon-lr].")
        if self.mixed_precision not in ("no", "bf16"):
            raise FlowgenError(f"There is no precision {self.mixed_precision!r}; choose no or bf16.")

    def _check_budget(self) -> None:
        if (self.steps is None) == (self.hours is None):
            raise FlowgenError("Training needs one budget: either --steps or --hours.")
        budget = self.hours if self.steps is None else self.steps
        if budget is None or not 0 < budget < math.inf:
            raise FlowgenError(f"The training budget is {budget}; it must be a number above 0.")
