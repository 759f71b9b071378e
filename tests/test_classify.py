"""What is kept of a training on images, of CIFAR and of ImageNet."""

from types import SimpleNamespace

import pytest
import torch

from eoinas.data.images import standard_split
from eoinas.train import classify, imagenet
from tests import test_search as small
from tests.test_params import resolved


def test_the_summary_has_the_last_epoch_and_the_best_for_the_record() -> None:
    result = SimpleNamespace(wrong=[7, 3, 5, 3, 4])
    found = classify.summary(result, SimpleNamespace(scored=range(50)), {"source": "digits"})
    expected = {"epochs": 5, "images": 50, "wrong": 4, "best_wrong": 3, "best_epoch": 2, "data": {"source": "digits"}}
    assert found == expected


@pytest.mark.parametrize(
    ("wanted", "steps", "counts"), [(0, 4, {1}), (6, 2, {0, 1}), (15, 4, {0, 1}), (16, 4, {1}), (40, 8, {2})]
)
def test_an_epoch_takes_a_small_data_set_several_times(wanted: int, steps: int, counts: set[int]) -> None:
    """Sixteen images in batches of four; of the 40 wanted 32 are taken, for a third round would leave some out."""
    images = standard_split(small.data(), torch.device("cpu"))
    images = images._replace(labels=torch.arange(len(images.labels)))
    numbers = {"batch_size": 4, "epoch_images": wanted}
    batches = classify._batches(images, resolved("demo")["retrain/0-9"].retrain.model_copy(update=numbers), 0, 0, "here")
    seen = torch.cat([batches.get(1, step)[1] for step in range(batches.steps)])
    assert batches.steps == steps
    assert set(torch.bincount(seen, minlength=16).tolist()) == counts


def test_so_has_that_of_imagenet() -> None:
    log = SimpleNamespace(rows=[{"wrong_top1": wrong, "wrong_top5": wrong - 2} for wrong in (7, 3, 5, 3, 4)])
    data = SimpleNamespace(val=SimpleNamespace(paths=range(50)), source="digits", classes=range(10))
    found = imagenet.summary(log, SimpleNamespace(image_size=64), data)
    assert found == {
        **{"epochs": 5, "images": 50, "wrong_top1": 4, "wrong_top5": 2, "best_wrong_top1": 3, "best_epoch": 2},
        "data": {"source": "digits", "image_size": 64, "classes": 10},
    }
