"""The Spacefile: one manifest from which the Space is checked, rendered, deployed and run."""

from flowgen.space.check import check
from flowgen.space.deploy import deploy
from flowgen.space.files import present
from flowgen.space.limits import GPU_TIME, LIMITS, GPUTime, Limits, enforce
from flowgen.space.manifest import Manifest
from flowgen.space.models import from_hub
from flowgen.space.reading import SPACEFILE, read
from flowgen.space.render import render, render_models

__all__ = [
    "GPU_TIME",
    "LIMITS",
    "SPACEFILE",
    "GPUTime",
    "Limits",
    "Manifest",
    "check",
    "deploy",
    "enforce",
    "from_hub",
    "present",
    "read",
    "render",
    "render_models",
]
