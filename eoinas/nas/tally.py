"""A and E of eq. (8): what is known of each operation on each edge (choices A1, D3-D5, D8).

Shapes: ``...`` cells and edges (2, 14), O operations (8), N steps. Counts and sums are float64.
"""

from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import one_hot


class Tally(NamedTuple):
    """Sums over the steps in which an operation was drawn, each [..., O]."""

    trained: Tensor  # weight steps
    validated: Tensor  # architecture steps
    accuracy_sum: Tensor  # validation accuracies of those batches, fractions
    accuracy_last: Tensor  # the last of them


def empty(shape: tuple[int, ...]) -> Tally:
    """A tally of nothing; ``shape`` is [..., O]."""
    return Tally(*(torch.zeros(shape, dtype=torch.float64) for _ in Tally._fields))


def add_training(tally: Tally, index: Tensor) -> Tally:
    """Count the weight steps of an epoch; ``index`` [N, ...] is the operation drawn in each."""
    drawn = one_hot(index, tally.trained.shape[-1]).double()  # [N, ..., O]
    return tally._replace(trained=tally.trained + drawn.sum(0))


def add_validation(tally: Tally, index: Tensor, accuracy: Tensor) -> Tally:
    """Count the architecture steps of an epoch; ``accuracy`` [N], fractions, is the batch's validation accuracy in each."""
    drawn = one_hot(index, tally.trained.shape[-1]).double()  # [N, ..., O]
    last = tally.accuracy_last
    for mask, value in zip(drawn.bool(), accuracy.double(), strict=True):
        last = torch.where(mask, value, last)
    accuracy = accuracy.double().reshape(-1, *[1] * (drawn.ndim - 1))  # [N, 1, ..., 1]
    return tally._replace(
        validated=tally.validated + drawn.sum(0),
        accuracy_sum=tally.accuracy_sum + (drawn * accuracy).sum(0),
        accuracy_last=last,
    )


def validation_accuracy(
    tally: Tally, unit: Literal["fraction", "percent"], estimate: Literal["running_mean", "last_batch"]
) -> Tensor:
    """A [..., O] (choices A1, D4); NaN where the operation was never drawn in an architecture step."""
    value = tally.accuracy_sum / tally.validated if estimate == "running_mean" else tally.accuracy_last
    value = value.masked_fill(tally.validated == 0, torch.nan)
    return value * (100 if unit == "percent" else 1)


def training_epochs(tally: Tally, unit: Literal["epochs", "steps"], steps_per_epoch: int) -> Tensor:
    """E [..., O] (choice A1): epoch-equivalents, i.e. steps in which the operation was drawn over steps per epoch."""
    return tally.trained / (steps_per_epoch if unit == "epochs" else 1)
