"""Means and differences of a few searches with what they leave open: Student's intervals, and what n searches can see."""

import statistics
from collections.abc import Sequence

from eoinas.metrics.strength import Mean
from eoinas.report import welch

LEVEL, POWER = 0.05, 0.8


def paired(differences: Sequence[Sequence[float]]) -> list[float | None]:
    """p of Student's test for each sample of paired differences, after Holm's correction for all; None if they do not differ."""
    from scipy.stats import ttest_1samp

    ps = {place: float(ttest_1samp(each, 0).pvalue) for place, each in enumerate(differences) if len(set(each)) > 1}
    corrected = dict(zip(ps, welch.holm(list(ps.values())), strict=True))
    return [corrected.get(place) for place in range(len(differences))]


def mean(values: Sequence[float]) -> Mean:
    """The mean of independent values; Student's interval, None if they do not differ."""
    from scipy.stats import ttest_1samp

    value = statistics.fmean(values)
    if len(set(values)) < 2:  # one value, or none that differs: nothing tells how far off the mean is
        return Mean(value, None, None)
    return Mean(value, *map(float, ttest_1samp(values, 0).confidence_interval(1 - LEVEL)))


def difference(a: Sequence[float], b: Sequence[float]) -> Mean:
    """The mean of ``a`` less that of ``b``, two independent samples; Welch's interval."""
    value = statistics.fmean(a) - statistics.fmean(b)
    if min(len(a), len(b)) < 2 or len(set(a)) == len(set(b)) == 1:
        return Mean(value, None, None)
    return Mean(value, *map(float, welch.unequal(a, b).confidence_interval(1 - LEVEL)))


def power(effect: float, n: int, level: float = LEVEL) -> float:
    """The chance that a two-sided t-test of two samples of ``n`` sees means that are ``effect`` standard deviations apart.

    Args:
        level: below which p has to be; LEVEL over m is the strictest step of Holm's correction for m tests.
    """
    from scipy.stats import nct, t

    freedom, shift = 2 * n - 2, effect * (n / 2) ** 0.5
    edge = t.ppf(1 - level / 2, freedom)
    return float(1 - nct.cdf(edge, freedom, shift) + nct.cdf(-edge, freedom, shift))


def visible(n: int, level: float = LEVEL) -> float:
    """The difference, in standard deviations, that two samples of ``n`` show with a chance of POWER; n of 2 and more."""
    from scipy.optimize import brentq

    above = 1.0
    while power(above, n, level) < POWER:  # far beyond it scipy's distribution is not a number
        above *= 1.5
    return float(brentq(lambda effect: power(effect, n, level) - POWER, 0.01, above))


def needed(effect: float) -> int:
    """Searches a variant that show a difference of ``effect`` standard deviations with a chance of POWER."""
    n = 2
    while power(effect, n) < POWER:
        n += 1
    return n
