import numpy as np
import pytest

from eoinas.data.cityscapes_labels import IGNORE
from eoinas.metrics import iou


def test_confusion_has_the_truth_in_rows_and_leaves_ignored_pixels_out() -> None:
    truth = np.array([[0, 0, 1], [2, IGNORE, 2]], np.uint8)
    predicted = np.array([[0, 1, 1], [0, 1, 2]], np.uint8)
    assert iou.confusion(truth, predicted, 3).tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 1]]


def test_confusion_of_many_pixels_is_the_slow_count() -> None:
    source = np.random.default_rng(0)
    truth, predicted = source.integers(19, size=(2, 40, 50))
    truth[truth == 7] = IGNORE
    expected = np.zeros((19, 19), np.int64)
    for t, p in zip(truth.ravel(), predicted.ravel(), strict=True):
        if t != IGNORE:
            expected[t, p] += 1
    found = iou.confusion(truth, predicted.astype(np.uint8), 19)
    assert found.dtype == np.int64
    assert (found == expected).all()


def test_iou_by_hand() -> None:
    matrix = np.array([[3, 1, 0], [2, 4, 0], [0, 0, 0]])
    assert iou.iou(matrix) == pytest.approx([3 / 6, 4 / 7, None])
    assert iou.mean(iou.iou(matrix)) == pytest.approx((3 / 6 + 4 / 7) / 2)


def test_a_class_that_never_occurs_is_left_out_even_if_it_is_predicted() -> None:
    matrix = np.array([[3, 1], [0, 0]])
    assert iou.iou(matrix) == [0.75, None]
    assert iou.mean([0.75, None]) == 0.75


def test_a_class_that_occurs_and_is_never_found_has_zero() -> None:
    assert iou.iou(np.array([[4, 0], [4, 0]])) == [0.5, 0.0]


def test_nothing_at_all() -> None:
    assert iou.mean(iou.iou(np.zeros((3, 3), np.int64))) is None


def test_sums_beyond_32_bits_are_exact() -> None:
    matrix = np.array([[3 * 10**10, 10**10], [0, 2 * 10**10]])
    assert iou.iou(matrix) == [0.75, 2 / 3]
