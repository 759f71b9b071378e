"""Means and differences of a few searches with what they leave open: Student's intervals, and what n searches can see."""

import statistics
from collections.abc import Sequence
from typing import NamedTuple

LEVEL, POWER = 0.05, 0.8


class Estimate(NamedTuple):
    """A value and its 95 % interval, None where a single search leaves no spread."""

    value: float
    low: float | None = None
    high: float | None = None

    def text(self, form: str = ".2f") -> str:
        """Such as "1.20 [0.40, 2.00]"."""
        value = format(self.value, form)
        return value if self.low is None else f"{value} [{self.low:{form}}, {self.high:{form}}]"

    @property
    def apart(self) -> bool | None:
        """Whether the interval leaves out 0; None without one."""
        return None if self.low is None or self.high is None else self.low > 0 or self.high < 0


def mean(values: Sequence[float]) -> Estimate:
    """The mean of independent values; Student's interval."""
    value, n = statistics.fmean(values), len(values)
    if n < 2:
        return Estimate(value)
    return _around(value, statistics.stdev(values) / n**0.5, n - 1)


def difference(a: Sequence[float], b: Sequence[float]) -> Estimate:
    """The mean of ``a`` less that of ``b``, two independent samples; Welch's interval."""
    value = statistics.fmean(a) - statistics.fmean(b)
    if min(len(a), len(b)) < 2:
        return Estimate(value)
    parts = [statistics.variance(each) / len(each) for each in (a, b)]
    squares = sum(part**2 / (len(each) - 1) for part, each in zip(parts, (a, b), strict=True))
    return Estimate(value, value, value) if not squares else _around(value, sum(parts) ** 0.5, sum(parts) ** 2 / squares)


def _around(value: float, error: float, freedom: float) -> Estimate:
    from scipy.stats import t

    reach = float(t.ppf(1 - LEVEL / 2, freedom)) * error
    return Estimate(value, value - reach, value + reach)


def power(effect: float, n: int) -> float:
    """The chance that a two-sided t-test of two samples of ``n`` sees means that are ``effect`` standard deviations apart."""
    from scipy.stats import nct, t

    freedom, shift = 2 * n - 2, effect * (n / 2) ** 0.5
    edge = t.ppf(1 - LEVEL / 2, freedom)
    return float(1 - nct.cdf(edge, freedom, shift) + nct.cdf(-edge, freedom, shift))


def visible(n: int) -> float:
    """The difference, in standard deviations, that two samples of ``n`` show with a chance of POWER; n of 2 and more."""
    from scipy.optimize import brentq

    above = 1.0
    while power(above, n) < POWER:  # far beyond it scipy's distribution is not a number
        above *= 1.5
    return float(brentq(lambda effect: power(effect, n) - POWER, 0.01, above))


def needed(effect: float) -> int:
    """Searches a variant that show a difference of ``effect`` standard deviations with a chance of POWER."""
    n = 2
    while power(effect, n) < POWER:
        n += 1
    return n
