"""Batches and their noise, as functions of seed and step alone: what is resumed or divided sees what one run would."""

import torch
from torch import Tensor

from flowgen import rng
from flowgen.data import Images
from flowgen.errors import FlowgenError

__all__ = ["Batches"]

ORDER, NOISE = 0, 1  # what a key is for


class Batches:
    """Epochs of shuffled batches; the last images of an epoch that fill no batch wait for the next.

    Args:
        images: what is trained on.
        batch_size: images of a step, over all processes.
        seed: keys order (with the epoch) and noise (with the step and the place in the batch).

    Raises:
        FlowgenError: if there are fewer images than a batch takes.
    """

    def __init__(self, images: Images, batch_size: int, seed: int) -> None:
        if batch_size < 1:
            raise FlowgenError(f"The batch size is {batch_size}; it must be at least 1.")
        if len(images.levels) < batch_size:
            raise FlowgenError(
                f"A batch takes {batch_size} images and the data set has {len(images.levels)}; use a smaller batch."
            )
        self.images = images
        self.batch_size = batch_size
        self.seed = seed
        self.steps_per_epoch = len(images.levels) // batch_size
        self._epoch: tuple[int, Tensor] = (-1, torch.empty(0))

    def __call__(self, step: int, part: slice = slice(None)) -> tuple[Tensor, Tensor]:
        """The batch of a step, or one process's part of it: levels (b, *event), and uniform noise of that shape."""
        places = range(self.batch_size)[part]
        chosen = self._chosen(step, places)
        levels = self.images.levels[chosen]
        generators = [rng.generator_for(self.seed, NOISE, step, place) for place in places]
        if self.images.horizontal_flips:
            coins = [bool(torch.rand(1, generator=generator) < 0.5) for generator in generators]
            levels = torch.where(torch.tensor(coins).view(-1, 1, 1, 1), levels.flip(-1), levels)
        return levels, torch.stack([rng.uniform(levels.shape[1:], generator) for generator in generators])

    def labels(self, step: int, part: slice = slice(None)) -> Tensor:
        """The classes of the images of a step, or of one process's part of it: (b,) integers.

        Raises:
            FlowgenError: if the data set has none.
        """
        if self.images.labels is None:
            raise FlowgenError("This data set has no classes to train on; leave --num-classes out.")
        return self.images.labels[self._chosen(step, range(self.batch_size)[part])]

    def _chosen(self, step: int, places: range) -> Tensor:
        first = step % self.steps_per_epoch * self.batch_size
        return self._order(step // self.steps_per_epoch)[first + places.start :][: len(places)]

    def _order(self, epoch: int) -> Tensor:
        if self._epoch[0] != epoch:
            generator = rng.generator_for(self.seed, ORDER, epoch)
            self._epoch = (epoch, torch.randperm(len(self.images.levels), generator=generator))
        return self._epoch[1]
