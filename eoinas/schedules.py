"""Schedules as pure functions of the epoch. Epochs count from 1, as in Algorithm 1."""

import math


def cosine(epoch: int, epochs: int, first: float, last: float) -> float:
    """Learning rate of Sec. IV-B: ``first`` in epoch 1, on the cosine that would reach ``last`` after the last epoch."""
    return last + (first - last) * (1 + math.cos(math.pi * (epoch - 1) / epochs)) / 2


def exponential(epoch: int, first: float, decay: float) -> float:
    """Learning rate of Sec. IV-D: ``first`` in epoch 1, times ``decay`` an epoch (choice D34)."""
    return first * decay ** (epoch - 1)


def polynomial(iteration: int, iterations: int, first: float, power: float) -> float:
    """Learning rate of Sec. V-C (choice D49): ``first`` at iteration 0, and 0 after the last."""
    return first * (1 - iteration / iterations) ** power


def temperature(epoch: int, epochs: int, warmup: int, first: float, decay: float, last: float) -> float:
    """T of eq. (5): ``first`` in the warm-up, then decaying exponentially and never 0 (choices D17, A11).

    With a ``last`` above 0 it falls linearly to that in the last epoch, as in GDAS.
    """
    if last:
        return first + (last - first) * max(0, epoch - warmup - 1) / max(1, epochs - warmup - 1)
    return first * decay ** max(0, epoch - warmup)


def drop_path(epoch: int, epochs: int, last: float) -> float:
    """Drop-path probability: a linear ramp from 0 in epoch 1 towards ``last`` (choice D33)."""
    return last * (epoch - 1) / epochs


def sigma(prune: int, prunes: int, first: list[float], last: list[float]) -> list[float]:
    """The weights of eq. (12) before prune number ``prune`` (0-based), from ``first`` linearly to ``last`` (choice A9)."""
    share = min(prune / (prunes - 1), 1.0) if prunes > 1 else 0.0
    return [(1 - share) * a + share * b for a, b in zip(first, last, strict=True)]
