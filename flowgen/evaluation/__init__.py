"""Evaluation: how well a model does, by numbers that can be compared."""

from flowgen.evaluation.attribution import Attribution, attribute
from flowgen.evaluation.bits_per_dim import Evaluation, bits_per_dim, evaluate
from flowgen.evaluation.codec import compress, decompress
from flowgen.evaluation.compressed import Header, read_header

__all__ = [
    "Attribution",
    "Evaluation",
    "Header",
    "attribute",
    "bits_per_dim",
    "compress",
    "decompress",
    "evaluate",
    "read_header",
]
