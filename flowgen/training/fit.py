"""Training by maximum likelihood, on one device or many, that can be killed and resumed at any step."""

import dataclasses
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from torch import Tensor
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from flowgen import rng
from flowgen.checkpoint import Meta, build, save_checkpoint
from flowgen.data import dequantize
from flowgen.errors import FlowgenError
from flowgen.training.batches import Batches
from flowgen.training.losses import NegativeLogLikelihood
from flowgen.training.optimizers import learning_rate_factor, make_optimizers
from flowgen.training.run import Run
from flowgen.training.settings import Settings

__all__ = ["Trainer"]

TIMED = (10, 40)  # the steps by which hours become steps: after compiling, within warm-up
PATIENCE = 10  # non-finite steps in a row that stop a run
INITIAL_IMAGES = 512
Tensors = tuple[Tensor, ...] | list[Tensor]


class Trainer:
    """One training run: `fit` takes it from wherever it stands to its end.

    Args:
        meta: what to build, on which data; its training fields are filled in at the end.
        settings: budget, optimiser and so on.
        images: the training images.
        output: where the finished checkpoint goes.
        run: where state and log live meanwhile.
        compile: compile the loss.
        save_every: seconds between saved states.
        device: auto, cpu or cuda; `accelerate launch` decides how many processes share it.
        track: called with each row of the log, beside the file.
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
        self.accelerator = Accelerator(mixed_precision=settings.mixed_precision, cpu=device == "cpu")
        self.step = 0
        self.total = settings.steps
        self.seconds = 0.0
        self.skipped = 0
        self.skipped_in_a_row = 0
        self._build(compile)

    def _build(self, compile: bool) -> None:
        devices = [self.accelerator.device] if self.accelerator.device.type == "cuda" else []
        with torch.random.fork_rng(devices):
            torch.manual_seed(self.settings.seed)
            model: Any = build(self.meta)
        self._initialize(model)
        model = model.to(self.accelerator.device)
        if len(self.meta.event_shape) == 3:
            model = model.to(memory_format=torch.channels_last)
        self.average = AveragedModel(model, multi_avg_fn=self._average)
        optimizers = make_optimizers(self.settings.optimizer, model, self.settings.lr, self.settings.muon_lr)
        loss = NegativeLogLikelihood(model)
        if compile:
            loss.compile(dynamic=False)
        self.model = model
        self.loss, *self.optimizers = self.accelerator.prepare(loss, *optimizers)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["initial_lr"] = group["lr"]

    def _initialize(self, model: Any) -> None:
        """The data-dependent start, from the same images on every process."""
        levels = self.batches.images.levels
        chosen = torch.randperm(len(levels), generator=rng.generator_for(self.settings.seed))[:INITIAL_IMAGES]
        noise = rng.keyed_uniform(levels.shape[1:], self.settings.seed, chosen.tolist())
        model.initialize(dequantize(levels[chosen], noise, self.meta.levels))

    def fit(self, *, resume: bool = False, progress: bool = True) -> None:
        """Train to the end of the budget and write the checkpoint.

        Raises:
            FlowgenError: if there is nothing to resume or something else, or if steps stay non-finite.
        """
        if resume:
            self._load_state(self.run.load())
        if self.accelerator.is_main_process:
            self.run.start_log(self.step)
        self.accelerator.wait_for_everyone()
        bar = tqdm(
            total=self.total,
            initial=self.step,
            unit="step",
            disable=not (progress and self.accelerator.is_main_process),
        )
        self._loop(bar)
        bar.close()
        if self.accelerator.is_main_process:
            self._save_state()
            save_checkpoint(self.output, self.average.module, self.described())

    def _loop(self, bar: "tqdm[Any]") -> None:
        saved = logged = started = time.monotonic()
        seconds_before, bits, images = self.seconds, 0.0, 0
        while self.total is None or self.step < self.total:
            if self.step == TIMED[0]:
                timing_from = time.monotonic()
            loss, norm, factor = self._step()
            self.seconds = seconds_before + time.monotonic() - started
            images += self.settings.batch_size
            bits = loss if bits == 0.0 else bits + 0.05 * (loss - bits) if loss == loss else bits
            if self.total is None and self.step >= TIMED[1]:
                bar.total = self.total = self._affordable(time.monotonic() - timing_from)
                saved = 0.0
            now = time.monotonic()
            last = self.step == self.total
            if now - saved >= self.save_every and self.total is not None and self.accelerator.is_main_process:
                self._save_state()
                saved = time.monotonic()
            if self.step % 20 == 0 or last:
                row = {
                    "step": self.step,
                    "bits_per_dim": bits,
                    "gradient_norm": norm,
                    "learning_rate": factor,
                    "images_per_second": images / max(now - logged, 1e-9),
                    "skipped": self.skipped,
                    "hours": self.seconds / 3600,
                }
                logged, images = now, 0
                self._report(row, bar)
            bar.update(1)

    def _step(self) -> tuple[float, float, float]:
        """One optimiser step: loss over all processes, gradient norm before clipping, factor of the learning rates."""
        factor = learning_rate_factor(self.step, self.total, warmup=self.settings.warmup, decay=self.settings.decay)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = factor * group["initial_lr"]
        loss = self.loss(*(part.to(self.accelerator.device) for part in self.batches(self.step, self._part())))
        self.accelerator.backward(loss)
        norm = self.accelerator.clip_grad_norm_(self.model.parameters(), self.settings.clip)
        loss = self.accelerator.reduce(loss.detach(), reduction="mean")
        self.step += 1
        finite = bool(torch.isfinite(torch.as_tensor(norm)) & torch.isfinite(loss))
        if finite:
            for optimizer in self.optimizers:
                optimizer.step()
            self.average.update_parameters(self.model)
        self._count(finite)
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        return float(loss), float(norm), factor

    def _part(self) -> slice:
        """This process's part of every batch."""
        size, processes = self.settings.batch_size, self.accelerator.num_processes
        if size % processes:
            raise FlowgenError(
                f"The batch of {size} images cannot be shared evenly by {processes} processes; change --batch-size."
            )
        share = size // processes
        first = self.accelerator.process_index * share
        return slice(first, first + share)

    def _count(self, finite: bool) -> None:
        self.skipped += not finite
        self.skipped_in_a_row = 0 if finite else self.skipped_in_a_row + 1
        if self.skipped_in_a_row >= PATIENCE:
            raise FlowgenError(
                f"{PATIENCE} steps in a row up to step {self.step} had a loss or gradient that is not finite; "
                "lower the learning rates (--lr, --muon-lr) or --clip and start again."
            )

    def _average(self, averages: Tensors, weights: Tensors, count: Tensor | int) -> None:
        """Move averages towards weights, faster at first so that a short run is not dominated by its start."""
        decay = min(self.settings.ema, (1 + int(count)) / (10 + int(count)))
        torch._foreach_lerp_(averages, weights, 1 - decay)

    def _affordable(self, seconds: float) -> int:
        """The number of steps that the hours allow, by the time that some of them took; agreed on by all processes."""
        assert self.settings.hours is not None
        left = self.settings.hours * 3600 - self.seconds
        total = [self.step + max(1, int(left / (seconds / (TIMED[1] - TIMED[0]))))]
        broadcast_object_list(total)
        return total[0]

    def _report(self, row: dict[str, float], bar: "tqdm[Any]") -> None:
        if not self.accelerator.is_main_process:
            return
        self.run.log(row)
        bar.set_postfix_str(
            f"{row['bits_per_dim']:.3f} bits/dim, {row['images_per_second']:.0f} images/s, {self.skipped} skipped"
        )
        if self.track is not None:
            self.track(row)

    def described(self) -> Meta:
        """The checkpoint's description, with what training took."""
        return dataclasses.replace(
            self.meta,
            settings=dataclasses.asdict(self.settings),
            steps=self.step,
            hours=round(self.seconds / 3600, 3),
            images_seen=self.step * self.settings.batch_size,
            processor=f"{self.accelerator.num_processes} x {_processor(self.accelerator.device)}",
        )

    def _identity(self) -> dict[str, Any]:
        """What must be equal for a run to be the same run."""
        meta = {"recipe": self.meta.recipe, "dataset": self.meta.dataset, **self.meta.hyperparameters}
        return meta | dataclasses.asdict(self.settings)

    def _save_state(self) -> None:
        self.run.save(
            {
                "identity": self._identity(),
                "step": self.step,
                "total": self.total,
                "seconds": self.seconds,
                "skipped": self.skipped,
                "skipped_in_a_row": self.skipped_in_a_row,
                "model": self.model.state_dict(),
                "average": self.average.state_dict(),
                "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            }
        )

    def _load_state(self, state: dict[str, Any]) -> None:
        before, now = state["identity"], self._identity()
        for key in before | now:
            if before.get(key) != now.get(key):
                raise FlowgenError(
                    f"The run to resume had {key} = {before.get(key)}, and this command says {now.get(key)}; "
                    "repeat its own settings, or start anew with --restart."
                )
        self.step, self.total, self.seconds = state["step"], state["total"], state["seconds"]
        self.skipped, self.skipped_in_a_row = state["skipped"], state["skipped_in_a_row"]
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)


def _processor(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} CPU, {torch.get_num_threads()} threads"
