"""The questions of docs/evidence.md, tested as it says: four about the paper's claim, and one about the default reading."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from eoinas import bench
from eoinas.data import nasbench201
from eoinas.metrics import strength
from eoinas.report import estimate, table, welch

TRUTH = "mean"  # the definition of true strength that is tested
# Words, what is subtracted from what, and below which advantage the answer is no, in the unit of the difference.
RANKINGS = (
    ("Does the indicator, A as a fraction, rank operations better than beta?", "I", "beta"),
    ("Does it with A in percent, the default now?", "I_percent", "beta"),
    ("Does the chain rank them better than the indicator that feeds it (A as a fraction)?", "l", "I"),
)
CELLS = ("Does the method, A as a fraction, find better cells than its slimming without the indicator?", "eoinas", "sss")
SMALL = {"tau": 0.05, "points": 0.3}
FORMS = {"tau": "+.3f", "points": "+.2f"}
EXACT = 16  # searches of which `strength.sign_flips` counts all signs
SETTLED = 16  # searches, of which an upper end is taken for one: of fewer the bootstrap is too narrow
DEFAULT, PERCENT = "eoinas", "percent"
READINGS = ("reset", "percent", "steps", "last_batch", "all", "no_recompute", "step_is_prune")
COLUMNS = ("Question", "n", "Difference", "p", "p, corrected", "Answer")


class Tested(NamedTuple):
    """Paired differences of n searches, held against 0."""

    mean: strength.Mean
    n: int
    p: float  # by sign flips, two-sided
    corrected: float  # after Holm's correction over all that is tested together
    too_few: bool  # so few searches that none of their outcomes would be significant

    @property
    def significant(self) -> bool:
        return self.corrected < welch.LEVEL

    @property
    def numbers(self) -> tuple[str, str]:
        """p, and p after correction, as tables print them."""
        return f"{self.p:.3g}", f"{self.corrected:.3g}"

    def unless(self, verdict: str) -> str:
        """The verdict on what is not significant."""
        return f"too few searches for this test (n {self.n})" if self.too_few else verdict


def tested(differences: list[np.ndarray]) -> list[Tested]:
    """Tests of differences [n] each, corrected for all of them."""
    ps = [_sign_flips(each) for each in differences]
    found = []
    for place, (each, corrected) in enumerate(zip(differences, welch.holm(ps), strict=True)):
        least = welch.holm([*ps[:place], 2.0 ** (1 - len(each)), *ps[place + 1 :]])[place]  # were all signs the same
        found.append(Tested(strength.over_searches(each), len(each), ps[place], corrected, least >= welch.LEVEL))
    return found


def _sign_flips(differences: np.ndarray) -> float:
    """p of the permutation test; where signs are drawn, those seen count as one more draw, so that p is never 0."""
    p = strength.sign_flips(differences)
    return p if len(differences) <= EXACT else (p * strength.RESAMPLES + 1) / (strength.RESAMPLES + 1)


def answer(test: Tested, unit: str) -> str:
    """As docs/evidence.md defines it; an advantage can be confirmed and yet too small to matter."""
    small = test.n >= SETTLED and test.mean.high is not None and test.mean.high < SMALL[unit]
    if test.significant and test.mean.value > 0:
        return "**confirmed**" + f", but below {SMALL[unit]} {unit}: too small to matter" * small
    if test.significant:
        return "**refuted**"
    if small:
        return f"**refuted** by the interval: an advantage of {SMALL[unit]} {unit} is ruled out"
    return "undecided: " * test.too_few + test.unless("undecided")


def sign(test: Tested, unit: str) -> int:
    """The answer as a number: 1 confirmed, -1 refuted, 0 undecided, or confirmed and too small to matter."""
    found = answer(test, unit)
    return (found == "**confirmed**") - found.startswith("**refuted**")


def by_seed(strengths: pd.DataFrame, variant: str, quantity: str) -> pd.Series:
    """Tau of a quantity, the mean over edges and steps of each search."""
    return _chosen(strengths, variant, quantity).groupby("seed")["tau"].mean()


def _chosen(strengths: pd.DataFrame, variant: str, quantity: str) -> pd.DataFrame:
    chosen = (strengths["variant"] == variant) & (strengths["quantity"] == quantity) & (strengths["truth"] == TRUTH)
    return strengths[chosen]


def asked(plan: bench.Plan, measured: dict[str, pd.DataFrame], strengths: pd.DataFrame) -> list[tuple[str, str, Tested]]:
    """The four questions in words, the unit and the test of each; without both variants of the last one, three."""
    found = [
        (words, "tau", (by_seed(strengths, plan.masked, one) - by_seed(strengths, plan.masked, other)).to_numpy())
        for words, one, other in RANKINGS
    ]
    words, one, other = CELLS
    if one in plan.variants and other in plan.variants:
        found.append((words, "points", accuracy(measured, one, other)))
    tests = tested([each for *_, each in found])
    return [(words, unit, test) for (words, unit, _), test in zip(found, tests, strict=True)]


def accuracy(measured: dict[str, pd.DataFrame], one: str, other: str) -> np.ndarray:
    """Test accuracy of a variant's cells less that of another's in points, by the seeds that both have."""
    return (measured[one][nasbench201.TEST] - measured[other][nasbench201.TEST]).dropna().to_numpy()


def questions(plan: bench.Plan, measured: dict[str, pd.DataFrame], strengths: pd.DataFrame) -> str:
    """The questions as a table."""
    rows = [
        [words, str(test.n), difference(unit, test), *test.numbers, answer(test, unit)]
        for words, unit, test in asked(plan, measured, strengths)
    ]
    return table.grid(COLUMNS, rows)


def difference(unit: str, test: Tested) -> str:
    """Such as "+0.006 [-0.003, +0.015] tau"."""
    return f"{estimate.interval(test.mean, FORMS[unit])} {unit}"


def readings(plan: bench.Plan, strengths: pd.DataFrame) -> str | None:
    """Tau of I at the prunes of each reading's own searches, held against the default's by seed, and what follows."""
    if DEFAULT not in plan.variants or not (names := [name for name in READINGS if name in plan.variants]):
        return None
    each = {name: by_seed(strengths, name, "I") for name in (DEFAULT, *names)}
    paired = [(each[name] - each[DEFAULT]).dropna() for name in names]
    tests = dict(zip(names, tested([difference.to_numpy() for difference in paired]), strict=True))
    rows = [[f"`{DEFAULT}` the default until then", str(len(each[DEFAULT])), _interval(each[DEFAULT]), *[""] * 5]]
    for (name, test), difference in zip(tests.items(), paired, strict=True):
        verdict = test.unless("not shown to be better")
        if _better(test) or _worse(test):
            verdict = f"**{'better' if _better(test) else 'worse'} than that default**"
        beside = f"{each[DEFAULT][difference.index].mean():+.3f}"
        head = [f"`{name}` {plan.variants[name].label}", str(len(each[name])), _interval(each[name]), beside]
        rows.append([*head, estimate.interval(test.mean, FORMS["tau"]), *test.numbers, verdict])
    columns = ("Reading", "n", "tau of I at the prunes", "that of `eoinas`, same seeds", "Difference", "p", "p, corrected", "")
    return f"{table.grid(columns, rows)}\n{_default(each, tests)}"


def by_prune(plan: bench.Plan, strengths: pd.DataFrame) -> str | None:
    """Tau of I prune by prune, A in percent and as a fraction: in searches of their own and on common supernets."""
    if not {DEFAULT, PERCENT} <= set(plan.variants):
        return None
    own = [_by_epoch(strengths, name, "I") for name in (PERCENT, DEFAULT)]
    epochs = list(own[0].columns)
    common = [_by_epoch(strengths, plan.masked, name)[epochs] for name in ("I_percent", "I")]
    kinds = {"own searches": own, f"supernets of `{plan.masked}`, all operations alive": common}
    rows = []
    for where, (percent, fraction) in kinds.items():
        for what, found in (("percent", percent), ("fraction", fraction), ("difference", (percent - fraction).dropna())):
            rows.append([where, what, *(_interval(found[epoch]) for epoch in epochs), _interval(found.mean(axis=1))])
    return table.grid(("tau of I", "A", *(f"before the prune at epoch {epoch}" for epoch in epochs), "mean"), rows)


def _by_epoch(strengths: pd.DataFrame, variant: str, quantity: str) -> pd.DataFrame:
    """Tau of a quantity, the mean over edges, of each search [seeds, epochs]."""
    return _chosen(strengths, variant, quantity).pivot_table("tau", "seed", "epoch")


def _better(test: Tested) -> bool:
    return test.significant and test.mean.low is not None and test.mean.low > 0


def _worse(test: Tested) -> bool:
    return test.significant and test.mean.high is not None and test.mean.high < 0


def _default(each: dict[str, pd.Series], tests: dict[str, Tested]) -> str:
    """What the rule of docs/evidence.md comes to; of fewer searches than have an interval, nothing."""
    if min(map(len, each.values())) < strength.FEWEST:
        return ""
    first = max(each, key=lambda name: each[name].mean())
    better = first != DEFAULT and _better(tests[first])
    shown = "" if first == DEFAULT else f"{'' if better else 'not '}shown to be better than the default until then, "
    verdict = "it becomes the default" if better else "that default stays"
    mean = each[first].mean()
    return f"The best mean is that of `{first}`, {mean:+.3f}, {shown}so by the rule of docs/evidence.md **{verdict}**.\n"


def _interval(values: pd.Series) -> str:
    return estimate.interval(strength.over_searches(values.to_numpy()), FORMS["tau"])


def parts(plan: bench.Plan, measured: dict[str, pd.DataFrame], strengths: pd.DataFrame, below: str) -> Iterator[str]:
    """Markdown of both."""
    n = len(plan.variants[plan.masked].searches)
    yield f"### The questions of docs/evidence.md{below}\n"
    yield (
        "What is asked, and what counts as an answer, was written down before the searches of scale `study` ran, when A was a "
        f"fraction by default. Added since: an advantage is called too small to matter from {SETTLED} searches on, for of fewer "
        f"the interval is too narrow. Ranking: on the {n} supernets of `{plan.masked}`. Paired by seed; p by sign flips, Holm's "
        "correction over the questions.\n"
    )
    yield questions(plan, measured, strengths)
    if found := readings(plan, strengths):
        yield f"### Which reading ranks best?{below}\n"
        yield "Of each reading its own searches, where they prune; paired with the default's by seed.\n"
        yield found
    if found := by_prune(plan, strengths):
        yield (
            "The rule takes each reading among the operations that its own prunes left alive: on every edge other ones, and two "
            "before the last prune, whose tau is 1 or -1. Prune by prune, and on supernets that both share:\n"
        )
        yield found
