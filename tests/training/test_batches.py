from dataclasses import replace

import pytest
import torch

from flowgen.data import Images
from flowgen.errors import FlowgenError
from flowgen.training import Batches


def _cut(images: Images, n: int) -> Images:
    return replace(images, levels=images.levels[:n], labels=None)


@pytest.mark.parametrize("processes", [2, 4])
def test_processes_share_the_batch_that_one_would_see(cifar10: Images, processes: int) -> None:
    batches = Batches(cifar10, 8, seed=3)  # with flips, so that their coins are shared as well
    share = 8 // processes
    for step in (0, 5, 23):
        parts = [batches(step, slice(i * share, (i + 1) * share)) for i in range(processes)]
        for whole, part in zip(batches(step), zip(*parts, strict=True), strict=True):
            assert torch.equal(whole, torch.cat(part))


def test_labels_are_those_of_the_images(digits: Images, mnist: Images) -> None:
    batches = Batches(replace(digits, labels=mnist.labels), 8, seed=3)
    assert mnist.labels is not None
    for step in (0, 40):  # of two epochs
        levels, _ = batches(step)
        numbers = [int((digits.levels == image).flatten(1).all(1).nonzero()[0]) for image in levels]
        assert torch.equal(batches.labels(step), mnist.labels[numbers])
        assert torch.equal(batches.labels(step, slice(2, 5)), mnist.labels[numbers[2:5]])


def test_labels_of_a_data_set_without_any_are_refused(digits: Images) -> None:
    with pytest.raises(FlowgenError, match="no classes"):
        Batches(digits, 8, seed=0).labels(0)


def test_an_epoch_shows_each_image_once(digits: Images) -> None:
    images = _cut(digits, 96)
    numbered = replace(images, levels=torch.arange(96, dtype=torch.uint8).view(96, 1, 1, 1).expand(-1, 1, 2, 2))
    batches = Batches(numbered, 8, seed=0)
    epochs = [torch.cat([batches(12 * epoch + step)[0][:, 0, 0, 0] for step in range(12)]) for epoch in range(3)]
    for epoch in epochs:
        assert torch.equal(epoch.sort().values, torch.arange(96, dtype=torch.uint8))
    assert not torch.equal(epochs[0], epochs[1])


def test_what_fills_no_batch_waits_for_another_epoch(digits: Images) -> None:
    batches = Batches(_cut(digits, 20), 8, seed=0)
    assert batches.steps_per_epoch == 2
    order = batches._order(1)
    assert torch.equal(batches(2)[0], batches.images.levels[order[:8]])


def test_a_batch_depends_on_seed_and_step_alone(cifar10: Images) -> None:
    one, other = Batches(cifar10, 8, seed=5), Batches(cifar10, 8, seed=5)
    later = one(20)
    one(3)
    for a, b in zip(later, other(20), strict=True):
        assert torch.equal(a, b)
    for a, b in zip(later, Batches(cifar10, 8, seed=6)(20), strict=True):
        assert not torch.equal(a, b)


def test_noise_is_never_the_same_twice(digits: Images) -> None:
    batches = Batches(digits, 8, seed=0)
    noise = torch.cat([batches(step)[1] for step in range(4)]).flatten(1)
    assert len(noise.unique(dim=0)) == 32
    assert noise.min() > 0
    assert noise.max() < 1


def test_only_images_that_may_be_mirrored_are(cifar10: Images) -> None:
    def shares(images: Images) -> tuple[int, int]:
        """How many of two epochs' images came as they are, and how many mirrored."""
        batches = Batches(images, 16, seed=0)
        levels = torch.cat([batches(step)[0] for step in range(8)])
        originals = torch.cat([images.levels[batches._order(epoch)] for epoch in range(2)])
        same, mirrored = ((levels == x).flatten(1).all(1) for x in (originals, originals.flip(-1)))
        assert bool((same | mirrored).all())
        return int(same.sum()), int(mirrored.sum())

    same, mirrored = shares(cifar10)
    assert 40 < same < 88  # of 128, by fair coins; outside with a probability below 1e-5
    assert same + mirrored == 128
    assert shares(replace(cifar10, horizontal_flips=False)) == (128, 0)


def test_a_batch_needs_an_image_and_as_many_as_it_takes(digits: Images) -> None:
    with pytest.raises(FlowgenError, match="at least 1"):
        Batches(digits, 0, seed=0)
    with pytest.raises(FlowgenError, match="64 images and the data set has 20"):
        Batches(_cut(digits, 20), 64, seed=0)
