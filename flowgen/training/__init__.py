"""Training: losses, optimisers, and the loop."""

from flowgen.training.batches import Batches
from flowgen.training.fit import Trainer
from flowgen.training.losses import NegativeLogLikelihood
from flowgen.training.muon import Muon
from flowgen.training.run import Run
from flowgen.training.settings import Settings

__all__ = ["Batches", "Muon", "NegativeLogLikelihood", "Run", "Settings", "Trainer"]
