"""What each part of the method changes, in convergence and in test error: estimate, interval, test and verdict."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from eoinas import plan as plans
from eoinas.metrics.strength import Mean
from eoinas.report import estimate, load, table, welch

ACCURACY, ERROR = "convergence", "test error"


class Change(NamedTuple):
    """A difference of two variants in points, from ``one`` to ``other``; p after Holm's correction for ``family`` tests."""

    about: str  # ACCURACY or ERROR
    what: str
    one: str
    other: str
    before: float
    after: float
    difference: Mean
    n: int  # searches of each
    p: float | None  # None: no test
    family: int
    untested: str  # why, if there is no test

    @property
    def verdict(self) -> str:
        """In words, p with them."""
        if self.p is None:
            return f"no test: {self.untested}"
        p = f"p {number(self.p)} after correction for {self.family} tests"
        if self.p < welch.LEVEL:
            return f"{'lower' if self.difference.value < 0 else 'higher'} ({p})"
        return f"no significant difference ({p}{'; the interval alone leaves out 0' * _leaves_out_0(self.difference)})"

    @property
    def sign(self) -> int:
        """Of an error: 1 if the test finds it lower, in the method's favour, -1 if higher, 0 if it finds nothing."""
        if self.p is None or self.p >= welch.LEVEL:
            return 0
        return 1 if self.difference.value < 0 else -1

    @property
    def sentence(self) -> str:
        """Such as "**OII**: with 10.56 %, without 10.69 %, -0.14 [-6.95, +6.67] points: no significant difference (p 1)."."""
        values = f"with {self.after:.2f} %, without {self.before:.2f} %"
        if self.one == plans.RANDOM:
            values = f"{self.after:.2f} %, random cells {self.before:.2f} %"
        return f"**{self.what}**: {values}; {estimate.interval(self.difference)} points: {self.verdict}."

    @property
    def record(self) -> dict:
        """A row of the CSV, with digits that no machine's arithmetic changes."""
        d = self.difference
        numbers = {
            "before": self.before,
            "after": self.after,
            "difference": d.value,
            "low": d.low,
            "high": d.high,
            "p_holm": self.p,
        }
        rounded = {key: None if value is None else round(value, 6) for key, value in numbers.items()}
        what = f"{self.other} against random cells" if self.one == plans.RANDOM else self.what
        head = {"what": f"{self.about}: {what}", "from": self.one, "to": self.other, "n": self.n}
        return {**head, **rounded, "verdict": self.verdict}


def _leaves_out_0(mean: Mean) -> bool:
    return mean.low is not None and mean.high is not None and not mean.low <= 0 <= mean.high


def number(p: float) -> str:
    """p, never 0."""
    return f"{p:.3g}" if p >= 0.001 else "below 0.001"


def parts(plan: plans.Plan) -> list[tuple[str, str, str]]:
    """The paper's steps, from which variant to which, by what: as far as the variants are there."""
    slimmed = next((name for name, it in plan.variants.items() if it.slimming and it.indicator == "beta"), None)
    if not whole(plan) or slimmed is None:
        return []
    return [(plan.plain, slimmed, "SSS"), (slimmed, plan.main, "OII")]


def whole(plan: plans.Plan) -> list[tuple[str, str, str]]:
    """Both at once: from the plain variant to the main one, if that has both and the plain one neither."""
    main, plain = plan.variants[plan.main], plan.variants[plan.plain]
    has = main.slimming and main.indicator == "oii" and not plain.slimming and plain.indicator == "beta"
    return [(plan.plain, plan.main, "SSS and OII")] * has


def first_prune(scale: str, plan: plans.Plan) -> int:
    """The epoch after which a search prunes first, up to which variants of one seed may be the same; 0 if none prunes."""
    found = (load.prune_epochs(scale, name, seed)[:1] for name, it in plan.variants.items() if it.slimming for seed in plan.seeds)
    return min((epoch for each in found for epoch in each), default=0)


def convergence(scale: str, plan: plans.Plan) -> Iterator[Change]:
    """Training accuracy of the supernet in the last epoch, and the mean of all from the first prune on; paired by seed."""
    curves, found = load.histories(scale, list(plan.variants)), []
    last = curves[curves["epoch"] == curves.groupby("variant")["epoch"].transform("max")]
    since = curves[curves["epoch"] > first_prune(scale, plan)]
    for one, other, what in parts(plan):
        for frame, when in ((last, "in the last epoch"), (since, "after the first prune")):
            means = 100 * frame.groupby(["variant", "seed"])["train_accuracy"].mean()
            found.append((f"{what}, training accuracy {when}", one, other, means[one], means[other]))
    corrected = estimate.paired([(after - before).tolist() for *_, before, after in found])
    family = sum(p is not None for p in corrected)
    for (what, one, other, before, after), p in zip(found, corrected, strict=True):
        differences = (after - before).tolist()
        rest = (estimate.mean(differences), len(differences), p, family, _untested(len(differences), "difference"))
        yield Change(ACCURACY, what, one, other, before.mean(), after.mean(), *rest)


def errors(plan: plans.Plan, searches: dict[str, load.Searches]) -> Iterator[Change]:
    """Test error over searches: each step of the method, and each variant against random cells.

    The tests are those of Table III, corrected for all of its pairs.
    """
    tests = {test["pair"]: test for test in welch.welch({name: found.errors for name, found in searches.items()})}
    against = [(plans.RANDOM, name, f"{table.label(plan, name)}, against random cells") for name in plan.variants]
    for one, other, what in [*parts(plan), *whole(plan), *against]:
        a, b = searches[one], searches[other]
        test = tests.get((one, other)) or tests[other, one]
        rest = (estimate.difference(b.errors, a.errors), b.n, test["holm"], welch.testable(list(tests.values())))
        yield Change(ERROR, what, one, other, a.mean, b.mean, *rest, _untested(b.n, "error"))


def _untested(n: int, what: str) -> str:
    return "one search each" if n == 1 else f"every search has the same {what}"


def sentences(changes: Sequence[Change], about: str, of: str = "") -> list[str]:
    """Those of one kind, whose name has ``of`` in it."""
    return [change.sentence for change in changes if change.about == about and of in change.what]
