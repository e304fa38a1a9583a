"""A run's directory: its state, from which it can go on after being killed at any moment, and its log."""

import csv
import io
from pathlib import Path
from typing import Any

import torch

from flowgen.checkpoint import write_atomically
from flowgen.errors import FlowgenError

__all__ = ["Run"]

COLUMNS = ("step", "bits_per_dim", "gradient_norm", "learning_rate", "images_per_second", "skipped", "hours")


class Run:
    """`state.pt` and `log.csv` in a directory.

    Args:
        directory: made when something is first saved.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.state_path = directory / "state.pt"
        self.log_path = directory / "log.csv"

    def exists(self) -> bool:
        """Whether there is a state to go on from."""
        return self.state_path.exists()

    def prepare(self, *, resume: bool, restart: bool) -> None:
        """Make sure that nothing is lost unasked, and that there is something to resume where that is asked for.

        Raises:
            FlowgenError: if a state is in the way, or missing, or both to be kept and thrown away.
        """
        if resume and restart:
            raise FlowgenError("--resume goes on with a run and --restart throws it away; give one of them.")
        if self.exists() and not (resume or restart):
            raise FlowgenError(
                f"{self.directory} holds an earlier run; go on with --resume, or throw it away with --restart."
            )
        if resume and not self.exists():
            raise FlowgenError(f"{self.directory} holds no run to resume; start one without --resume.")

    def save(self, state: dict[str, Any]) -> None:
        """Keep the state: all of it or, if killed meanwhile, the one before."""
        buffer = io.BytesIO()
        torch.save(state, buffer)
        write_atomically(self.state_path, buffer.getvalue())

    def load(self) -> dict[str, Any]:
        """The state last saved, on the CPU.

        Raises:
            FlowgenError: if it cannot be read.
        """
        try:
            state: dict[str, Any] = torch.load(self.state_path, map_location="cpu", weights_only=True)
        except Exception as error:  # whatever a damaged archive makes of its reader
            raise FlowgenError(
                f"The state of this run cannot be read ({type(error).__name__}); start it anew with --restart."
            ) from None
        return state

    def start_log(self, step: int) -> None:
        """Keep the log's rows up to a step, so that a resumed run's log is that of an uninterrupted one."""
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS)
        writer.writeheader()
        writer.writerows(row for row in self._rows() if int(row["step"]) <= step)
        write_atomically(self.log_path, text.getvalue().encode())

    def log(self, row: dict[str, float]) -> None:
        """Add a row to the log."""
        with self.log_path.open("a", newline="") as file:
            csv.DictWriter(file, COLUMNS).writerow(
                {key: value if isinstance(value, int) else f"{value:.6g}" for key, value in row.items()}
            )

    def _rows(self) -> list[dict[str, str]]:
        """The log's rows so far; one that a killed process left half written is none."""
        if not self.log_path.exists():
            return []
        with self.log_path.open(newline="") as file:
            return [row for row in csv.DictReader(file) if None not in row.values() and row["step"].isdecimal()]
