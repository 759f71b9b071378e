"""How well one ranking of a few operations agrees with another: Spearman's rho and Kendall's tau with intervals."""

import math
from collections.abc import Sequence
from typing import NamedTuple

# Half the width of a 95 % interval in standard errors.
Z95 = 1.959963984540054


class Correlation(NamedTuple):
    """A coefficient and its 95 % interval; None where there is none."""

    value: float | None
    low: float | None
    high: float | None


def spearman(x: Sequence[float], y: Sequence[float]) -> Correlation:
    """Spearman's rho; standard error of Fisher's z by Bonett and Wright (2000), sqrt((1 + rho^2 / 2) / (n - 3))."""
    from scipy.stats import spearmanr

    return _with_interval(spearmanr, x, y, lambda rho, n: math.sqrt((1 + rho**2 / 2) / (n - 3)))


def kendall(x: Sequence[float], y: Sequence[float]) -> Correlation:
    """Kendall's tau-b; standard error of Fisher's z by Fieller, Hartley and Pearson (1957), sqrt(0.437 / (n - 4))."""
    from scipy.stats import kendalltau

    return _with_interval(kendalltau, x, y, lambda _tau, n: math.sqrt(0.437 / (n - 4)))


def _with_interval(coefficient: object, x: Sequence[float], y: Sequence[float], error: object) -> Correlation:
    if len(set(x)) < 2 or len(set(y)) < 2:  # one of them ranks nothing
        return Correlation(None, None, None)
    value = max(-1.0, min(1.0, float(coefficient(x, y).statistic)))
    if len(x) < 5 or abs(value) > 1 - 1e-12:  # z is infinite: the formula has no interval for a perfect agreement
        return Correlation(value, None, None)
    z, half = math.atanh(value), Z95 * error(value, len(x))
    return Correlation(value, math.tanh(z - half), math.tanh(z + half))


def in_words(name: str, found: Correlation) -> str:
    """Such as "rho = 0.50 [-0.36, 0.90]"."""
    if found.value is None:
        return f"{name} undefined (all values equal)"
    interval = "no interval" if found.low is None else f"{found.low:.2f}, {found.high:.2f}".replace("-", "\N{MINUS SIGN}")
    return f"{name} = {found.value:.2f}".replace("-", "\N{MINUS SIGN}") + f" [{interval}]"
