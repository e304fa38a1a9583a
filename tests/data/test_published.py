"""The real data sets, where they are: the facts their authors state."""

import pytest
import torch

from flowgen.data import DATASETS, data_root

FOLDERS = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST", "cifar10": "cifar-10-batches-bin"}
TEST_DIGITS = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
# name: images in train and in test, mean and standard deviation of the training bytes
FACTS = {
    "mnist": (60_000, 10_000, 33.318, 78.567),
    "fashion_mnist": (60_000, 10_000, 72.940, 90.021),
    "cifar10": (50_000, 10_000, 120.708, 64.150),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FACTS)
def test_whole_data_sets_are_as_published(name: str) -> None:
    if not (data_root() / FOLDERS[name]).is_dir():
        pytest.skip(f"{FOLDERS[name]} is not in FLOWGEN_DATA")
    num_train, num_test, mean, deviation = FACTS[name]
    train, test = DATASETS[name]().load("train"), DATASETS[name]().load("test")
    assert (len(train), len(test)) == (num_train, num_test)
    assert test.labels is not None
    assert test.labels.bincount().tolist() == (TEST_DIGITS if name == "mnist" else [1000] * 10)
    histogram = torch.bincount(train.levels.flatten(), minlength=256).double()
    values = torch.arange(256, dtype=torch.float64)
    found = (histogram * values).sum() / histogram.sum()
    assert found.item() == pytest.approx(mean, abs=1e-3)
    spread = ((histogram * (values - found) ** 2).sum() / histogram.sum()).sqrt()
    assert spread.item() == pytest.approx(deviation, abs=1e-3)
