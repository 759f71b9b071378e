"""What NAS-Bench-201 says of the indicator: the questions of docs/evidence.md, and what was looked at afterwards."""

from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd

from eoinas import bench
from eoinas.data import nasbench201
from eoinas.metrics import strength
from eoinas.report import bench_questions, bench_read, table
from eoinas.report.estimate import interval

OWN_MEASURE = ("beta", "I", "I_percent")  # whose tau by the paper's own measure is printed
NOW = bench_questions.PERCENT  # the variant that is today's default


class Ranking(NamedTuple):
    """Text of both places of the page."""

    about: str  # of which searches
    answers: list[str]  # a line a question, and what is not tested
    signs: list[int]  # a question: 1 for an answer in the method's favour, -1 against it, 0 for none
    section: str


def ranking(scale: str) -> Ranking:
    """Both.

    Raises:
        InputError: a result is missing.
    """
    plan, strengths, cells = bench.load(scale), bench_read.strengths(scale), bench_read.cells(scale)
    final = {name: bench_read.final(cells, name) for name in (*plan.variants, bench.MASKED)}
    n = len(plan.variants[plan.masked].searches)
    about = (
        f"Searches of {plan.images} on NAS-Bench-201, where the accuracy of every cell is known. Rankings are those on the {n} "
        f"supernets of `{plan.masked}`, which never prune, the mean over edges and all steps of the chain.\n"
    )
    asked = bench_questions.asked(plan, final, strengths)
    answers = [
        f"{words} n {test.n}, {bench_questions.difference(unit, test)}: {bench_questions.answer(test, unit)}."
        for words, unit, test in asked
    ]
    beside = table.notes(_beside(plan, strengths, final))
    section = (
        f"{about}\nWhat is asked, and what counts as an answer, was [written down before](../../docs/evidence.md), where "
        "additions are listed. All of it: "
        f"[table_bench.md](table_bench.md).\n\n{bench_questions.questions(plan, final, strengths)}\nLooked at afterwards, and "
        f"not tested:\n\n{beside}"
    )
    answers += [f"Not tested. {line}" for line in _accuracy(plan, final)]
    return Ranking(about, answers, [bench_questions.sign(test, unit) for _, unit, test in asked], section)


def _accuracy(plan: bench.Plan, final: dict[str, pd.DataFrame]) -> Iterator[str]:
    other = bench_questions.CELLS[-1]
    if NOW in plan.variants and other in plan.variants:
        found = bench_questions.accuracy(final, NOW, other)
        mean = interval(strength.over_searches(found))
        yield f"The last question for A in percent, the default now: n {len(found)}, {mean} points."


def _beside(plan: bench.Plan, strengths: pd.DataFrame, final: dict[str, pd.DataFrame]) -> Iterator[str]:
    yield from _accuracy(plan, final)
    telling = bench_read.telling(final[plan.masked])
    by_truth = bench_read.by_truth(strengths[strengths["variant"] == plan.masked], telling)

    def tau(quantity: str, truth: str) -> str:
        rows = by_truth[truth]
        return interval(bench_read.summary(rows[rows["quantity"] == quantity], "tau"), ".2f")

    yield (
        f"A alone, without E: tau {tau('A', 'mean')}, where beta has {tau('beta', 'mean')}; with the best cell that has the "
        f"operation in the place of the mean of all, {tau('A', 'best')} and {tau('beta', 'best')}."
    )
    edges = nasbench201.EDGES * len(final[plan.masked])
    where = {
        bench_read.TELLING: f"on the {len(telling)} of {edges} edges where that changes what the cell computes",
        "replaced": "on all",
    }
    parts = [
        f"{words}: " + ", ".join(f"{bench.QUANTITIES[quantity]} {tau(quantity, truth)}" for quantity in OWN_MEASURE)
        for truth, words in where.items()
        if len(by_truth[truth])
    ]
    yield (
        "By the paper's own measure (Figs. 1 and 4: the search's own cell with its operation on this edge replaced), tau "
        f"{'; '.join(parts)}."
    )
