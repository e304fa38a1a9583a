"""The one error that people read."""

__all__ = ["FlowgenError"]


class FlowgenError(ValueError):
    """A sentence for the person who asked: it names the input, the limit and the way out.

    The command line prints it and exits with 2, the page shows it, HTTP answers with a status in the 400s.
    Its text never holds a traceback or a path that the person did not give.
    """
