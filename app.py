"""The Space's entry: build the studio over the models in checkpoints/, and serve it."""

import sys

from flowgen.errors import FlowgenError
from flowgen.library import Library
from flowgen.ui.limits import LIMITS
from flowgen.ui.page import build, launch

if __name__ == "__main__":
    try:
        library = Library(memory_budget=LIMITS.memory_megabytes * 2**20)
        launch(build(library), library)
    except FlowgenError as error:
        print(f"flowgen: {error}", file=sys.stderr)
        sys.exit(2)
