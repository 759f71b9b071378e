"""The questions of docs/evidence.md, tested as it says: four about the paper's claim, and one about the default reading."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from eoinas import bench
from eoinas.data import nasbench201
from eoinas.metrics import strength
from eoinas.report import table, welch

TRUTH = "mean"  # the definition of true strength that is tested
# Words, what is subtracted from what, and below which advantage the answer is no, in the unit of the difference.
RANKINGS = (
    ("Does the indicator rank operations better than beta?", "I", "beta"),
    ("Does it with A in percent?", "I_percent", "beta"),
    ("Does the chain rank them better than the indicator that feeds it?", "l", "I"),
)
CELLS = ("Does the method find better cells than its slimming without the indicator?", "eoinas", "sss")
SMALL = {"tau": 0.05, "points": 0.3}
DEFAULT = "eoinas"
READINGS = ("reset", "percent", "steps", "last_batch", "all", "no_recompute", "step_is_prune")
COLUMNS = ("Question", "n", "Difference", "p", "p, corrected", "Answer")


def tested(differences: list[np.ndarray]) -> list[tuple[strength.Mean, float, float]]:
    """Mean, p by sign flips, and p after Holm's correction over all, of paired differences [n] each."""
    ps = [strength.sign_flips(each) for each in differences]
    means = [strength.over_searches(each[:, None]) for each in differences]
    return list(zip(means, ps, welch.holm(ps), strict=True))


def answer(mean: strength.Mean, corrected: float, unit: str) -> str:
    """As docs/evidence.md defines it."""
    if mean.low is None or mean.high is None:
        return "undecided"
    if corrected < welch.LEVEL:
        return "**confirmed**" if mean.value > 0 else "**refuted**"
    return "**refuted**: too small to matter" if mean.high < SMALL[unit] else "undecided"


def by_seed(strengths: pd.DataFrame, variant: str, quantity: str) -> pd.Series:
    """Tau of a quantity, the mean over edges and steps of each search."""
    chosen = (strengths["variant"] == variant) & (strengths["quantity"] == quantity) & (strengths["truth"] == TRUTH)
    return strengths[chosen].groupby("seed")["tau"].mean()


def questions(plan: bench.Plan, measured: dict[str, pd.DataFrame], strengths: pd.DataFrame) -> str:
    """The four questions as a table; without both variants of the last one, three."""
    found = [
        (words, "tau", (by_seed(strengths, plan.masked, one) - by_seed(strengths, plan.masked, other)).to_numpy())
        for words, one, other in RANKINGS
    ]
    words, one, other = CELLS
    if one in plan.variants and other in plan.variants:
        accuracy = (measured[one][nasbench201.TEST] - measured[other][nasbench201.TEST]).dropna()
        found.append((words, "points", accuracy.to_numpy()))
    rows = []
    for (words, unit, differences), (mean, p, corrected) in zip(found, tested([each for *_, each in found]), strict=True):
        numbers = (interval(mean), f"{p:.3g}", f"{corrected:.3g}", answer(mean, corrected, unit))
        rows.append([words, str(len(differences)), f"{numbers[0]} {unit}", *numbers[1:]])
    return table.grid(COLUMNS, rows)


def readings(plan: bench.Plan, strengths: pd.DataFrame) -> str | None:
    """Tau of I at the prunes of each reading's own searches, and its difference from the default's, paired by seed."""
    if DEFAULT not in plan.variants or not (names := [name for name in READINGS if name in plan.variants]):
        return None
    default = by_seed(strengths, DEFAULT, "I")
    each = {name: by_seed(strengths, name, "I") for name in names}
    differences = [(each[name] - default).dropna().to_numpy() for name in names]
    rows = [[f"`{DEFAULT}` the present default", str(len(default)), interval(_mean(default)), "", "", "", ""]]
    for name, (mean, p, corrected), own in zip(names, tested(differences), differences, strict=True):
        better = mean.low is not None and mean.low > 0 and corrected < welch.LEVEL
        verdict = "**better than the default**" if better else "not shown to be better"
        head = [f"`{name}` {plan.variants[name].label}", str(len(own)), interval(_mean(each[name]))]
        rows.append([*head, interval(mean), f"{p:.3g}", f"{corrected:.3g}", verdict])
    columns = ("Reading", "n", "tau of I at the prunes", "less the default's", "p", "p, corrected", "")
    return table.grid(columns, rows)


def _mean(values: pd.Series) -> strength.Mean:
    return strength.over_searches(values.to_numpy()[:, None])


def interval(mean: strength.Mean, form: str = "+.2f") -> str:
    """Such as "+0.12 [+0.05, +0.20]"."""
    value = format(mean.value, form)
    return value if mean.low is None else f"{value} [{mean.low:{form}}, {mean.high:{form}}]"


def parts(plan: bench.Plan, measured: dict[str, pd.DataFrame], strengths: pd.DataFrame, below: str) -> Iterator[str]:
    """Markdown of both."""
    n = len(plan.variants[plan.masked].searches)
    yield f"### The questions of docs/evidence.md{below}\n"
    yield (
        "What is asked, and what counts as an answer, was written down before the searches of scale `study` ran. Ranking: on "
        f"the {n} supernets of `{plan.masked}`. Paired by seed; p by sign flips, Holm's correction over the questions.\n"
    )
    yield questions(plan, measured, strengths)
    if found := readings(plan, strengths):
        yield f"### Which reading ranks best?{below}\n"
        yield "Of each reading its own searches, where they prune; paired with the default's by seed.\n"
        yield found
