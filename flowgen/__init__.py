"""FlowGen: a studio for image models whose likelihood is exact.

>>> import flowgen
>>> sorted(flowgen.MODELS)
['gated_pixelcnn', 'glow', 'nice', 'pixelcnn', 'realnvp']
"""

from importlib.metadata import PackageNotFoundError, version

from flowgen.checkpoint import Meta
from flowgen.data import DATASETS, to_bytes
from flowgen.errors import FlowgenError
from flowgen.library import Library, describe, load, names
from flowgen.models import MODELS, ImageModel

__all__ = [
    "DATASETS",
    "MODELS",
    "FlowgenError",
    "ImageModel",
    "Library",
    "Meta",
    "__version__",
    "describe",
    "load",
    "names",
    "to_bytes",
]

try:
    __version__ = version("flowgen")
except PackageNotFoundError:  # run from a checkout that was not installed, as a Space does
    __version__ = "0.1.0"
