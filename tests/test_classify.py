"""What is kept of a training on images."""

from types import SimpleNamespace

from eoinas.train import classify


def test_the_summary_has_the_last_epoch_and_the_best_for_the_record() -> None:
    result = SimpleNamespace(wrong=[7, 3, 5, 3, 4])
    found = classify.summary(result, SimpleNamespace(scored=range(50)), {"source": "digits"})
    expected = {"epochs": 5, "images": 50, "wrong": 4, "best_wrong": 3, "best_epoch": 2, "data": {"source": "digits"}}
    assert found == expected
