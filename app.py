"""The Space's entry: build the studio over the models in checkpoints/, and serve it."""

from flowgen.library import Library
from flowgen.ui.page import build, launch

if __name__ == "__main__":
    launch(build(Library()))
