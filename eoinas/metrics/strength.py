"""Does a quantity that a search knows rank operations as their true strength does? Kendall's tau and regret an edge.

Shapes: ``...`` searches, steps, edges; O operations. NaN in a quantity marks an operation that is dead: it is left out.
"""

from functools import cache
from typing import NamedTuple

import numpy as np

RESAMPLES = 10_000
FEWEST = 8  # searches: of four, what should cover 95 % covers 80, of eight 88
SEED = 0  # of the resamples


class Mean(NamedTuple):
    """A mean over searches and its 95 % interval; None of too few searches, or of such as do not differ at all."""

    value: float
    low: float | None
    high: float | None


def tau(quantity: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Kendall's tau-b [...] of quantity [..., O] with truth [..., O]; 0 where either ranks nothing."""
    first, second = np.triu_indices(quantity.shape[-1], 1)
    x, y = (np.sign(values[..., first] - values[..., second]) for values in (quantity, truth))
    counted = ~np.isnan(x)
    x, y = np.where(counted, x, 0), np.where(counted, y, 0)
    untied = np.sqrt((x != 0).sum(-1) * (y != 0).sum(-1))
    return np.divide((x * y).sum(-1), untied, out=np.zeros(untied.shape), where=untied > 0)


def regret(quantity: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """What it costs [...] to take the operation with the largest quantity [..., O]: the best truth [..., O] less its own.

    Among the operations that live; of equal quantities it is their mean.
    """
    truth = np.broadcast_to(truth, quantity.shape)
    best = np.where(np.isnan(quantity), -np.inf, truth).max(-1)
    first = quantity == np.fmax.reduce(quantity, -1, keepdims=True)
    return best - np.where(first, truth, 0).sum(-1) / first.sum(-1)


def over_searches(values: np.ndarray) -> Mean:
    """The mean of values [searches, ...], with a percentile interval of a bootstrap that draws whole searches; FEWEST at least.

    A search is a cluster: its edges share one supernet.
    """
    each = values.reshape(len(values), -1).mean(1)
    if len(each) < FEWEST or np.ptp(each) == 0:
        return Mean(float(each.mean()), None, None)
    low, high = np.quantile(_resamples(len(each)) @ each, (0.025, 0.975))
    return Mean(float(each.mean()), float(low), float(high))


@cache
def _resamples(n: int) -> np.ndarray:
    """The share of each search in each resample [RESAMPLES, n]."""
    drawn = np.random.default_rng(SEED).integers(n, size=(RESAMPLES, n))
    return np.stack([(drawn == search).mean(1) for search in range(n)], -1)


def sign_flips(differences: np.ndarray) -> float:
    """Two-sided p of the paired permutation test: how often the mean of differences [n] is as far from 0 with random signs.

    Exact to 2^16 sign patterns, with more searches by ``RESAMPLES`` of them.
    """
    n = len(differences)
    if n <= 16:
        signs = 1 - 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
    else:
        signs = 1 - 2 * np.random.default_rng(SEED).integers(2, size=(RESAMPLES, n))
    means = np.abs(signs @ differences)
    return float((means >= np.abs(differences.sum()) - 1e-9).mean())
