"""Intersection over union of each class, from one confusion matrix of all pixels (choice D52).

Shapes: K classes, rows the truth and columns the prediction.
"""

import numpy as np

from eoinas.data.cityscapes_labels import IGNORE


def confusion(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """How many pixels of each class were called what, int64 [K, K]; pixels whose truth is IGNORE do not count.

    Args:
        truth: train ids, integers of any shape, IGNORE or below ``classes``.
        predicted: train ids below ``classes``, of the same shape.
    """
    counted = truth != IGNORE
    codes = truth[counted].astype(np.int64) * classes + predicted[counted]
    return np.bincount(codes, minlength=classes**2).reshape(classes, classes)


def iou(matrix: np.ndarray) -> list[float | None]:
    """For each class the intersection of truth and prediction over their union, None for a class that never occurs in the truth.

    cityscapesScripts leaves out only a class that is neither there nor predicted: one that is predicted and never there has 0. On
    Cityscapes itself every class occurs and the two agree.
    """
    both, there, called = np.diag(matrix), matrix.sum(1), matrix.sum(0)
    union = there + called - both
    return [int(b) / int(u) if t else None for b, t, u in zip(both, there, union, strict=True)]


def mean(values: list[float | None]) -> float | None:
    """The mean over the classes that occur; None if none does."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
