"""What is kept of a training on images, of CIFAR and of ImageNet."""

from types import SimpleNamespace

from eoinas.train import classify, imagenet


def test_the_summary_has_the_last_epoch_and_the_best_for_the_record() -> None:
    result = SimpleNamespace(wrong=[7, 3, 5, 3, 4])
    found = classify.summary(result, SimpleNamespace(scored=range(50)), {"source": "digits"})
    expected = {"epochs": 5, "images": 50, "wrong": 4, "best_wrong": 3, "best_epoch": 2, "data": {"source": "digits"}}
    assert found == expected


def test_so_has_that_of_imagenet() -> None:
    log = SimpleNamespace(rows=[{"wrong_top1": wrong, "wrong_top5": wrong - 2} for wrong in (7, 3, 5, 3, 4)])
    data = SimpleNamespace(val=SimpleNamespace(paths=range(50)), source="digits", classes=range(10))
    found = imagenet.summary(log, SimpleNamespace(image_size=64), data)
    assert found == {
        **{"epochs": 5, "images": 50, "wrong_top1": 4, "wrong_top5": 2, "best_wrong_top1": 3, "best_epoch": 2},
        "data": {"source": "digits", "image_size": 64, "classes": 10},
    }
