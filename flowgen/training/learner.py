"""What learns: a model, its moving average and its optimisers, on one device or many."""

from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from flowgen import rng
from flowgen.checkpoint import Meta, build, resolve_device
from flowgen.data import dequantize
from flowgen.errors import FlowgenError
from flowgen.training.batches import Batches
from flowgen.training.invertible import recompute_activations
from flowgen.training.losses import NegativeLogLikelihood
from flowgen.training.optimizers import make_optimizers
from flowgen.training.settings import Settings

__all__ = ["Learner"]

INITIAL_IMAGES = 512
Tensors = tuple[Tensor, ...] | list[Tensor]


class Learner:
    """A model in training: `step` moves it by one batch.

    Args:
        meta: what to build.
        settings: optimiser, rates, precision and so on.
        batches: the training images, in the order in which they are seen.
        device: auto, cpu or cuda; `accelerate launch` decides how many processes share the work.
        compile: compile the loss.

    Raises:
        FlowgenError: if the device is not here, the processes cannot share a batch evenly, or activations are to be
            recomputed that cannot be.
    """

    def __init__(self, meta: Meta, settings: Settings, batches: Batches, *, device: str, compile: bool) -> None:
        self.settings = settings
        self.batches = batches
        cpu = resolve_device(device).type == "cpu"
        self.accelerator = Accelerator(mixed_precision=settings.mixed_precision, cpu=cpu)
        self._part = self._share()
        self.model = self._build(meta)
        self._check_classes()
        if settings.invertible:
            recompute_activations(self.model, compile=compile)
        self.average = AveragedModel(self.model, multi_avg_fn=self._average)
        loss = NegativeLogLikelihood(self.model)
        if compile:
            loss.compile(dynamic=False)
        optimizers = make_optimizers(
            settings.optimizer, self.model, settings.lr, settings.muon_lr, settings.weight_decay
        )
        self._loss, *self.optimizers = self.accelerator.prepare(loss, *optimizers)
        for group in self._groups():
            group["initial_lr"] = group["lr"]

    def step(self, number: int, factor: float) -> tuple[float, float, bool]:
        """Move by a batch, unless its loss or gradient is not finite.

        Args:
            number: of the step, from 0; with the seed it determines the batch and its noise.
            factor: what the learning rates are multiplied by.

        Returns:
            The loss in bits/dim and the gradient's norm before clipping, over all processes, and whether it moved.
        """
        loss = self._loss(*(tensor.to(self.accelerator.device) for tensor in self._batch(number)))
        self.accelerator.backward(loss)
        norm = torch.as_tensor(self.accelerator.clip_grad_norm_(self.model.parameters(), self.settings.clip))
        loss = self.accelerator.reduce(loss.detach(), reduction="mean")
        finite = bool(torch.isfinite(norm) & torch.isfinite(loss))
        if finite:
            self._update(factor)
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        return float(loss), float(norm), finite

    def _batch(self, number: int) -> tuple[Tensor, ...]:
        """Levels and noise, and for a model of classes the labels."""
        batch = self.batches(number, self._part)
        return (*batch, self.batches.labels(number, self._part)) if self.model.num_classes else batch

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next step depends on, but its number."""
        return {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to a state."""
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)

    def _build(self, meta: Meta) -> Any:
        """The model where training starts: weights by the seed; what starts from data, from the same images always."""
        devices = [self.accelerator.device] if self.accelerator.device.type == "cuda" else []
        with torch.random.fork_rng(devices):
            torch.manual_seed(self.settings.seed)
            model: Any = build(meta)
        levels = self.batches.images.levels
        chosen = torch.randperm(len(levels), generator=rng.generator_for(self.settings.seed))[:INITIAL_IMAGES]
        noise = rng.keyed_uniform(levels.shape[1:], self.settings.seed, chosen.tolist())
        model.initialize(dequantize(levels[chosen], noise, meta.levels))
        model = model.to(self.accelerator.device)
        return model.to(memory_format=torch.channels_last) if len(meta.event_shape) == 3 else model

    def _check_classes(self) -> None:
        """Make sure that a model of classes is trained on as many."""
        labels, classes = self.batches.images.labels, self.model.num_classes
        if classes and (labels is None or int(labels.max()) >= classes):
            there = 0 if labels is None else int(labels.max()) + 1
            raise FlowgenError(
                f"The model is to know {classes} classes and the data set has {there}; "
                f"use --num-classes {there}{'' if there else ', for none'}."
            )

    def _share(self) -> slice:
        """This process's part of every batch."""
        size, processes = self.settings.batch_size, self.accelerator.num_processes
        if size % processes:
            raise FlowgenError(
                f"The batch of {size} images cannot be shared evenly by {processes} processes; change --batch-size."
            )
        share = size // processes
        first = self.accelerator.process_index * share
        return slice(first, first + share)

    def _update(self, factor: float) -> None:
        for group in self._groups():
            group["lr"] = factor * group["initial_lr"]
        for optimizer in self.optimizers:
            optimizer.step()
        self.average.update_parameters(self.model)

    def _groups(self) -> list[dict[str, Any]]:
        return [group for optimizer in self.optimizers for group in optimizer.param_groups]

    def _average(self, averages: Tensors, weights: Tensors, count: Tensor | int) -> None:
        """Move averages towards weights, faster at first so that a short run is not dominated by its start."""
        decay = min(self.settings.ema, (1 + int(count)) / (10 + int(count)))
        torch._foreach_lerp_(averages, weights, 1 - decay)
