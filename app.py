"""The Space's entry: build the studio over the models in checkpoints/, and serve it."""

import sys

from flowgen.errors import FlowgenError
from flowgen.library import Library
from flowgen.ui.page import build, launch

if __name__ == "__main__":
    try:
        launch(build(Library()))
    except FlowgenError as error:
        print(f"flowgen: {error}", file=sys.stderr)
        sys.exit(2)
