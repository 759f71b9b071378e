"""Means and differences of a few searches with what they leave open: Student's intervals, and what n searches can see."""

import statistics
from collections.abc import Sequence

from eoinas.metrics.strength import Mean
from eoinas.report import welch

LEVEL, POWER = welch.LEVEL, 0.8
POINTS = 200  # of an integral, each way


def interval(mean: Mean, form: str = "+.2f") -> str:
    """Such as "+0.12 [+0.05, +0.20]"."""
    value = format(mean.value, form)
    return value if mean.low is None else f"{value} [{mean.low:{form}}, {mean.high:{form}}]"


def paired(differences: Sequence[Sequence[float]]) -> list[float | None]:
    """p of Student's test for each sample of paired differences, after Holm's correction for all; None if they do not differ.

    Differences that the six digits of a history's numbers leave alone do not count.
    """
    from scipy.stats import ttest_1samp

    differences = [[round(each, 3) for each in sample] for sample in differences]
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
    """The chance that Welch's two-sided test of two samples of ``n`` sees normal means ``effect`` standard deviations apart.

    Both scatter alike. How the variance falls on the two samples is then a beta variable, independent of its sum, a chi-square:
    given both, the degrees of freedom are known and the means' difference is normal. Their quantiles stand for them.

    Args:
        level: below which p has to be; LEVEL over m is the strictest step of Holm's correction for m tests.
    """
    import numpy as np
    from scipy.stats import beta, chi2, norm, t

    quantiles, each = (np.arange(POINTS) + 0.5) / POINTS, n - 1
    part = beta.ppf(quantiles, each / 2, each / 2)  # of the first sample
    edge = t.ppf(1 - level / 2, each / (part**2 + (1 - part) ** 2))
    found = (chi2.ppf(quantiles, 2 * each) / (2 * each)) ** 0.5  # the standard deviation, in true ones
    edges, shift = np.outer(edge, found), effect * (n / 2) ** 0.5
    return float((norm.sf(edges - shift) + norm.cdf(-edges - shift)).mean())


def visible(n: int, level: float = LEVEL) -> float:
    """The difference, in standard deviations, that two samples of ``n`` show with a chance of POWER; n of 2 and more."""
    from scipy.optimize import brentq

    above = 1.0
    while power(above, n, level) < POWER:
        above *= 1.5
    return float(brentq(lambda effect: power(effect, n, level) - POWER, 0.01, above))


def share(errors: float, of: int) -> Mean:
    """An error in percent of ``of`` images, and the interval of what it would be on more of them; Clopper and Pearson's."""
    from scipy.stats import binomtest

    found = binomtest(round(errors * of / 100), of).proportion_ci(1 - LEVEL)
    return Mean(errors, 100 * found.low, 100 * found.high)


def of_deviation(freedom: int) -> tuple[float, float]:
    """Between which multiples of a standard deviation of ``freedom`` degrees of freedom the true one lies; 95 %."""
    from scipy.stats import chi2

    low, high = ((freedom / float(chi2.ppf(1 - tail, freedom))) ** 0.5 for tail in (LEVEL / 2, 1 - LEVEL / 2))
    return low, high


def needed(effect: float) -> int:
    """Searches a variant that show a difference of ``effect`` standard deviations with a chance of POWER."""
    n = 2
    while power(effect, n) < POWER:
        n += 1
    return n
