"""The Spacefile: one manifest from which the Space is checked, rendered, deployed and run."""

from flowgen.space.limits import LIMITS, Limits, enforce
from flowgen.space.manifest import Manifest
from flowgen.space.reading import SPACEFILE, read

__all__ = ["LIMITS", "SPACEFILE", "Limits", "Manifest", "enforce", "read"]
