"""Evaluation: how well a model does, by numbers that can be compared."""

from flowgen.evaluation.bits_per_dim import Evaluation, bits_per_dim, evaluate

__all__ = ["Evaluation", "bits_per_dim", "evaluate"]
