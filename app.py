"""The Space's entry: read the Spacefile, build the studio over the models in checkpoints/, and serve it."""

import sys
from pathlib import Path

from flowgen.errors import FlowgenError
from flowgen.space import SPACEFILE, enforce, read


def main() -> None:
    """Serve until interrupted."""
    manifest = read(Path(__file__).with_name(SPACEFILE))
    enforce(manifest.limits, manifest.hardware.zerogpu)

    # Only now: the page takes its ranges and its texts from the limits.
    from flowgen.library import Library
    from flowgen.ui.page import build, launch

    launch(build(Library(memory_budget=manifest.limits.memory_megabytes * 2**20)))


if __name__ == "__main__":
    try:
        main()
    except FlowgenError as error:
        print(f"flowgen: {error}", file=sys.stderr)
        sys.exit(2)
