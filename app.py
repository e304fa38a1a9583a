"""The Space's entry: read the Spacefile, build the studio over the models in checkpoints/, and serve it."""

import sys
from pathlib import Path

from flowgen.errors import FlowgenError
from flowgen.space import SPACEFILE, enforce, from_hub, read


def main() -> None:
    """Serve until interrupted."""
    manifest = read(Path(__file__).with_name(SPACEFILE))
    enforce(manifest.limits, manifest.hardware.zerogpu)

    # Only now: the page takes its ranges and its texts from the limits.
    from flowgen.library import Library
    from flowgen.ui.page import build, launch

    budget = manifest.limits.memory_megabytes * 2**20
    library = Library(elsewhere=from_hub(manifest), memory_budget=budget)
    launch(build(library), library)


if __name__ == "__main__":
    try:
        main()
    except FlowgenError as error:
        print(f"flowgen: {error}", file=sys.stderr)
        sys.exit(2)
