"""The limits in force: the Spacefile's, once app.py has read it, and until then the usual ones."""

from flowgen.space.limits import LIMITS, Limits

__all__ = ["LIMITS", "Limits"]
