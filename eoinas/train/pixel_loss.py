"""Losses and accuracy over pixels, for the search and for training.

Shapes: B images, K classes, H, W sides, P = B H W pixels. Pixels are laid out as [P, K]: the two-dimensional negative log
likelihood has no deterministic CUDA kernel.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from eoinas.data.cityscapes_labels import IGNORE


def cross_entropy(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Cross entropy over the pixels that count (choice D50).

    Args:
        logits: [B, K, H, W].
        targets: uint8 [B, H, W], train ids or IGNORE.

    Returns:
        Sum of the losses, number of pixels that count, number of those whose highest logit is right; all scalars.
    """
    flat, truth = _pixels(logits, targets)
    losses = F.cross_entropy(flat, truth, ignore_index=IGNORE, reduction="sum")
    return losses, (truth != IGNORE).sum(), _correct(flat, truth)


def hard_cross_entropy(logits: Tensor, targets: Tensor, threshold: float, min_kept: int) -> tuple[Tensor, Tensor, Tensor]:
    """Online hard example mining: cross entropy over the pixels whose right class has a probability below ``threshold``.

    Args:
        logits, targets: as in ``cross_entropy``.
        min_kept: if these are fewer than this, the ``min_kept`` pixels with the largest losses are taken; of several ranks each
            takes its own.

    Returns:
        Sum of the losses, number of pixels taken, and how many of those are right.
    """
    flat, truth = _pixels(logits, targets)
    losses = F.cross_entropy(flat, truth, ignore_index=IGNORE, reduction="none")  # [P], 0 where a pixel does not count
    counted = truth != IGNORE
    with torch.no_grad():
        ranked = losses.masked_fill(~counted, 0.0).topk(min(min_kept, len(losses))).values
        limit = torch.cat((ranked, losses.new_full((1,), -math.log(threshold)))).amin()
        hard = counted & (losses >= limit)
    return (losses * hard).sum(), hard.sum(), _correct(flat, truth.masked_fill(~hard, IGNORE))


def mean(total: Tensor, count: Tensor) -> Tensor:
    """``total / count``, and 0 with a gradient of 0 for a batch without a pixel that counts."""
    return total / count.clamp(min=1)


def _pixels(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """float32 [P, K] and int64 [P]."""
    return logits.permute(0, 2, 3, 1).flatten(0, 2).float(), targets.flatten().long()


def _correct(flat: Tensor, truth: Tensor) -> Tensor:
    return ((flat.detach().argmax(1) == truth) & (truth != IGNORE)).sum()
