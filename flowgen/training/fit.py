"""Training by maximum likelihood, on one device or many, that can be killed and resumed at any step."""

import dataclasses
import math
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import broadcast_object_list

from flowgen.checkpoint import Meta, save_checkpoint
from flowgen.errors import FlowgenError
from flowgen.training.batches import Batches
from flowgen.training.curve import keep_curve
from flowgen.training.interrupt import between_steps
from flowgen.training.learner import Learner
from flowgen.training.optimizers import learning_rate_factor
from flowgen.training.progress import Progress
from flowgen.training.run import Run
from flowgen.training.settings import Settings

__all__ = ["Trainer"]

TIMED = (10, 40)  # the steps by which hours become steps: after compiling, within warm-up
PATIENCE = 10  # non-finite steps in a row that stop a run
LOG_EVERY = 20
SMOOTHING = 0.05  # the weight of the last step's loss in the figure that is shown


class Trainer:
    """One training run: `fit` takes it from wherever it stands to its end.

    On several devices, or several processes of one CPU (which then talk over gloo), launch the same command:

        accelerate launch --multi_gpu --num_processes 2 -m flowgen train glow --dataset mnist --hours 1 [--device cpu]

    (--multi_gpu is accelerate's word for a launcher of many processes; its --cpu starts a single one.) The batch stays
    the global one, so the weights are those of one process up to rounding.

    Args:
        meta: what to build, on which data; its training fields are filled in at the end.
        settings: budget, optimiser and so on.
        batches: the training images, in the order in which they are seen.
        output: where the finished checkpoint goes.
        run: where state and log live meanwhile.
        compile: compile the loss.
        save_every: seconds between saved states.
        device: auto, cpu or cuda; `accelerate launch` decides how many processes share the work.
        track: called with each row of the log, beside the file.

    Raises:
        FlowgenError: if the device is not here, or the processes cannot share a batch evenly.
    """

    def __init__(
        self,
        meta: Meta,
        settings: Settings,
        batches: Batches,
        *,
        output: Path,
        run: Run,
        compile: bool = False,
        save_every: float = 120.0,
        device: str = "auto",
        track: Callable[[dict[str, float]], None] | None = None,
    ) -> None:
        self.meta = meta
        self.settings = settings
        self.batches = batches
        self.output = output
        self.run = run
        self.save_every = save_every
        self.track = track
        self.learner = Learner(meta, settings, batches, device=device, compile=compile)
        self.accelerator = self.learner.accelerator
        self.average = self.learner.average
        self.step = 0
        self.total = settings.steps
        self.seconds = 0.0
        self.bits_per_dim = math.nan  # of the last steps, smoothed
        self.skipped = 0
        self.skipped_in_a_row = 0

    def fit(self, *, resume: bool = False, progress: bool = True) -> None:
        """Train to the end of the budget and write the checkpoint, with its curve beside it.

        Raises:
            FlowgenError: if there is nothing to resume or something else, or if steps stay non-finite.
            KeyboardInterrupt: at Ctrl+C or SIGTERM, after the step under way, with its state saved.
        """
        if resume:
            self._load_state(self.run.load())
        self.accelerator.wait_for_everyone()
        self._began = time.monotonic() - self.seconds
        self._save_state()  # from here on there is a run to resume
        with (
            _without_denormals(),
            self._progress(progress) if self.accelerator.is_main_process else nullcontext() as shown,
            between_steps() if self.accelerator.num_processes == 1 else nullcontext(lambda: False) as interrupted,
        ):
            self._loop(shown, interrupted)
        self._save_state()
        if self.accelerator.is_main_process:
            save_checkpoint(self.output, self.average.module, self.described())
            keep_curve(self.run.log_path, self.output)

    def described(self) -> Meta:
        """The checkpoint's description, with what training took."""
        return dataclasses.replace(
            self.meta,
            settings=dataclasses.asdict(self.settings),
            steps=self.step,
            hours=round(self.seconds / 3600, 4),
            images_seen=self.step * self.settings.batch_size,
            processor=f"{self.accelerator.num_processes} x {_processor(self.accelerator.device)}",
        )

    def _loop(self, shown: Progress | None, interrupted: Callable[[], bool]) -> None:
        """Step after step. A row is logged before a state claims its step, so that no row can be missing."""
        while self.total is None or self.step < self.total:
            norm, factor = self._step()
            self.seconds = time.monotonic() - self._began
            self._set_total()
            if shown is not None:
                shown.advance(self.total)
                if self.step % LOG_EVERY == 0 or self.step == self.total:
                    shown.report(self.step, self._row(norm, factor))
            if interrupted():
                if self.total is not None:  # hours that are still being timed are timed anew
                    self._save_state()
                raise KeyboardInterrupt
            if self._is_due():
                self._save_state()

    def _step(self) -> tuple[float, float]:
        """One step, counted as done or as skipped: the gradient's norm, and the factor of the learning rates."""
        factor = learning_rate_factor(self.step, self.total, warmup=self.settings.warmup, decay=self.settings.decay)
        loss, norm, finite = self.learner.step(self.step, factor)
        self.step += 1
        if finite:
            self.skipped_in_a_row = 0
            before = loss if math.isnan(self.bits_per_dim) else self.bits_per_dim
            self.bits_per_dim = before + SMOOTHING * (loss - before)
        else:
            self._skip()
        return norm, factor

    def _skip(self) -> None:
        self.skipped += 1
        self.skipped_in_a_row += 1
        if self.skipped_in_a_row >= PATIENCE:
            raise FlowgenError(
                f"{PATIENCE} steps in a row up to step {self.step} had a loss or gradient that is not finite; "
                "lower the learning rates (--lr, --muon-lr) or --clip and start again with --restart."
            )

    def _set_total(self) -> None:
        """Make the hours a number of steps, once some have been timed; all processes agree on it."""
        if self.settings.hours is None or self.total is not None:
            return
        if self.step == TIMED[0]:
            self._timed_from = self.seconds
        if self.step == TIMED[1]:
            left = self.settings.hours * 3600 - self.seconds
            a_step = (self.seconds - self._timed_from) / (TIMED[1] - TIMED[0])
            total = [self.step + max(1, int(left / a_step))]
            broadcast_object_list(total)
            self.total = total[0]
            self._saved = -math.inf  # save at once: what is resumed must not be timed again

    def _progress(self, visible: bool) -> Progress:
        return Progress(
            self.run,
            step=self.step,
            total=self.total,
            batch_size=self.settings.batch_size,
            visible=visible,
            track=self.track,
        )

    def _row(self, norm: float, factor: float) -> dict[str, float]:
        return {
            "bits_per_dim": self.bits_per_dim,
            "gradient_norm": norm,
            "learning_rate": factor * self.settings.lr,
            "skipped": self.skipped,
            "hours": self.seconds / 3600,
        }

    def _is_due(self) -> bool:
        """Whether to save; not while the hours are being timed, which a resumed run does from the start."""
        return self.total is not None and time.monotonic() - self._saved >= self.save_every

    def _save_state(self) -> None:
        self._saved = time.monotonic()
        if self.accelerator.is_main_process:
            self.run.save(self._state())

    def _state(self) -> dict[str, Any]:
        return {
            "identity": self._identity(),
            "step": self.step,
            "total": self.total,
            "seconds": self.seconds,
            "bits_per_dim": self.bits_per_dim,
            "skipped": self.skipped,
            "skipped_in_a_row": self.skipped_in_a_row,
            **self.learner.state_dict(),
        }

    def _load_state(self, state: dict[str, Any]) -> None:
        try:
            self._check_identity(state["identity"])
            self.step, self.total, self.seconds = state["step"], state["total"], state["seconds"]
            self.bits_per_dim = state.get("bits_per_dim", math.nan)
            self.skipped, self.skipped_in_a_row = state["skipped"], state["skipped_in_a_row"]
            self.learner.load_state_dict(state)
        except (AttributeError, KeyError, RuntimeError, TypeError) as error:
            raise FlowgenError(
                f"The state of this run is none that this version can go on from ({type(error).__name__}); "
                "start anew with --restart."
            ) from None

    def _identity(self) -> dict[str, Any]:
        """What must be equal for a run to be the same run."""
        data = {"dataset": self.meta.dataset, "shape": list(self.batches.images.levels.shape)}
        return {"recipe": self.meta.recipe, **data, **self.meta.hyperparameters} | dataclasses.asdict(self.settings)

    def _check_identity(self, before: dict[str, Any]) -> None:
        now = self._identity()
        for key, value in before.items():
            if value != now.get(key):
                raise FlowgenError(
                    f"The run to resume had {key} = {value}, and this command says {now.get(key)}; "
                    "repeat its own settings, or start anew with --restart."
                )


@contextmanager
def _without_denormals() -> Iterator[None]:
    """Numbers below 1e-38 become 0 meanwhile.

    The momentum of a ReLU that no longer opens halves every few steps until it is so small, and there processors
    multiply a hundred times as slowly: long runs came down to a quarter of their speed.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def _processor(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"{platform.machine()} CPU, {threads} thread{'s' if threads > 1 else ''}"
