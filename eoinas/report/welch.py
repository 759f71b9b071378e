"""Do two samples of test errors differ by more than chance? Welch's t-test for many pairs, with Holm's correction."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

from eoinas.report import reference, table

if TYPE_CHECKING:
    from scipy.stats._result_classes import TtestResult

LEVEL = 0.05
NO_TEST = "no test possible, there is no spread to test against"
COLUMNS = ("Pair", "n", "Difference (points)", "t", "p", "p, corrected", "Verdict")


def welch(errors: Mapping[str, tuple[float, ...]], pairs: Iterable[tuple[str, str]] | None = None) -> list[dict]:
    """Welch's t-test for every pair, with Holm's correction for all of them.

    Args:
        errors: percent, a sample a name.
        pairs: of these names; None: all of them.

    Returns:
        One dict a pair: ``pair``, ``n`` (both), ``difference`` of the means in points, and ``t``, ``p``, ``holm``, or None for
        these where no test is possible (a single value, or no spread at all).
    """
    tests = []
    for first, second in combinations(errors, 2) if pairs is None else pairs:
        a, b = errors[first], errors[second]
        test = {"pair": (first, second), "n": (len(a), len(b)), "difference": sum(a) / len(a) - sum(b) / len(b)}
        testable = min(len(a), len(b)) > 1 and len(set(a)) + len(set(b)) > 2
        result = unequal(a, b) if testable else None
        numbers = {"t": float(result.statistic), "p": float(result.pvalue)} if testable else {"t": None, "p": None}
        tests.append({**test, **numbers, "holm": None})
    found = [test for test in tests if test["p"] is not None]
    for test, corrected in zip(found, holm([test["p"] for test in found]), strict=True):
        test["holm"] = corrected
    return tests


def unequal(a: Sequence[float], b: Sequence[float]) -> "TtestResult":
    """Welch's test of two samples of two values or more, which differ in one of them."""
    from scipy.stats import ttest_ind

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # one sample may be of equal values
        return ttest_ind(a, b, equal_var=False)


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's correction: the k-th smallest of m p-values times m - k + 1, never below the one before."""
    found, below = [0.0] * len(ps), 0.0
    for rank, index in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        below = found[index] = min(1.0, max(below, (len(ps) - rank) * ps[index]))
    return found


def markdown(tests: list[dict]) -> str:
    """The tests as a table, one row a pair."""
    if not tests:
        return "Nothing to compare.\n"
    return table.grid(COLUMNS, [_row(test) for test in tests]) if testable(tests) else f"{NO_TEST.capitalize()}.\n"


def about(tests: list[dict], samples: str) -> str:
    """The sentence that says which test it is; ``samples`` is what the errors are of."""
    return (
        f"Welch's t-test, two-sided, on the errors of the {samples}; p after Holm's correction for {testable(tests)} comparisons "
        f"is held against {LEVEL}."
    )


def testable(tests: list[dict]) -> int:
    """How many of them have a p."""
    return sum(test["p"] is not None for test in tests)


def metrics(tests: list[dict]) -> dict:
    """Difference and corrected p of every pair that could be tested."""
    return {
        "_vs_".join(test["pair"]): {"difference": round(test["difference"], 4), "p_holm": round(test["holm"], 6)}
        for test in tests
        if test["holm"] is not None
    }


def _row(test: dict) -> list[str]:
    first, second = test["pair"]
    head = [f"`{first}` against `{second}`", f"{test['n'][0]} and {test['n'][1]}", f"{test['difference']:+.2f}"]
    if test["p"] is None:
        return [*head, *[reference.NONE] * 3, NO_TEST]
    numbers = [f"{test['t']:.2f}", f"{test['p']:.3g}", f"{test['holm']:.3g}"]
    if test["holm"] >= LEVEL:
        return [*head, *numbers, "no significant difference"]
    return [*head, *numbers, f"**significant**, `{first if test['difference'] < 0 else second}` has the lower error"]
