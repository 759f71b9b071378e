"""The page reports/SCALE/findings.md: what the results say about the paper's claims, each number with what it leaves open."""

import re
import statistics
from collections.abc import Iterator, Sequence
from math import comb

import pandas as pd

from eoinas import bench
from eoinas import plan as plans
from eoinas.metrics import strength
from eoinas.report import (
    bench_questions,
    bench_read,
    changes,
    estimate,
    findings_cells,
    findings_paper,
    findings_transfer,
    load,
    reference,
    table,
)
from eoinas.report.bench_questions import interval
from eoinas.report.scale import announce, is_paper

SPREAD = 4  # searches of a variant that say how much they scatter
OWN_MEASURE = ("beta", "I", "I_percent")  # whose tau by the paper's own measure is printed
NOW = "percent"  # the variant on NAS-Bench-201 that is today's default


def findings(scale: str) -> table.Table:
    """Markdown, one line a difference as CSV, metrics.

    Raises:
        InputError: a result is missing.
    """
    plan = plans.load(scale)
    searches = {name: load.over_searches(scale, name) for name in plan.candidates}
    found = [*changes.convergence(scale, plan), *changes.errors(plan, searches)]
    below = "" if is_paper(scale) else f" ({announce(scale)})"
    answers, ranking = _ranking(scale)
    power = _power(searches)
    first = [part[-1] for part in (*changes.parts(plan)[-1:], *changes.whole(plan))] + [changes.against_random(plan, plan.main)]
    short = [
        *answers,
        *findings_cells.short(scale, plan),
        *(f"Test error. {sentence}" for sentence in changes.sentences(found, changes.ERROR, first)),
        *power,
        findings_paper.short(),
    ]
    parts = [
        f"# What was found{below}\n",
        _banner(scale),
        "![Errors over searches, and what ranks operations](fig_findings.png)\n",
        _caption(plan, searches),
        f"## In short{below}\n",
        table.notes(short),
        "## Words\n",
        table.notes(_words(scale, plan, searches)),
        f"## Does the indicator rank operations better than beta?{below}\n",
        ranking,
        f"## Do SSS and OII change the cells?{below}\n",
        findings_cells.section(scale, plan),
        f"## Do they change how the search converges? (Figs. 7 and 8){below}\n",
        _about_convergence(scale, plan),
        table.notes(changes.sentences(found, changes.ACCURACY)),
        f"## Do they change the error of the cells?{below}\n",
        *_over_searches(plan, searches),
        *(f"{sentence}\n" for sentence in power),
        "Welch's interval and test of all pairs of rows, as in [table_3.md](table_3.md), as if searches were independent draws. "
        "The variants have their seeds in common; where that makes cells alike, the test finds less than it could.\n",
        table.notes(changes.sentences(found, changes.ERROR)),
        "## What do the paper's own differences mean?\n",
        findings_paper.section(),
        f"## Transfer{below}\n",
        "One training each, but where n is given: differences between rows are not tested. Brackets: what the number of test "
        "images alone leaves open.\n",
        table.notes(findings_transfer.lines(scale, plan)),
    ]
    return table.Table("\n".join(parts), table.csv_text([each.record for each in found]), _metrics(found))


def _metrics(found: Sequence[changes.Change]) -> dict:
    """The estimates by what they are of, with keys that dvc's options can name."""
    metrics: dict[str, dict] = {}
    for record in (change.record for change in found):
        about, _, what = record["what"].partition(": ")
        group, name = (re.sub(r"\W+", "_", each).lower() for each in (about, what))
        numbers = {key: record[key] for key in ("difference", "low", "high") if record[key] is not None}
        metrics.setdefault(group, {})[name] = {key: round(value, 4) for key, value in numbers.items()}
    return metrics


def _banner(scale: str) -> str:
    held = "" if is_paper(scale) else f" **{announce(scale).capitalize()}: no number here may be held against one of the paper.**"
    return (
        f"> Made by the pipeline from the results of scale {scale}; each sentence follows from its numbers by a rule.{held} "
        "Brackets are 95 % intervals, each by itself. Verdicts are of tests at 5 % that are corrected for their number (Holm), "
        "so an interval can leave out 0 where the test finds nothing. "
        '"No significant difference" means that a test does not find one and not that there is none.\n'
    )


def _caption(plan: plans.Plan, searches: dict[str, load.Searches]) -> str:
    return (
        f"*Left: test error of the cells found, {_trained(plan, searches)}; a dot is a search, or of random cells a cell. Right: "
        "on NAS-Bench-201, how well what a search knows of the operations of an edge ranks them. Bars are of single means; "
        "differences are tested below.*\n"
    )


def _trained(plan: plans.Plan, searches: dict[str, load.Searches]) -> str:
    about = next(iter(searches.values())).about
    times = f"{about.n} times" if about.n > 1 else "once"
    return f"each trained from scratch {times} for {table.epochs_text(plan, 'retrain', about.epochs)}"


def _words(scale: str, plan: plans.Plan, searches: dict[str, load.Searches]) -> Iterator[str]:
    epochs = int(load.histories(scale, [plan.main])["epoch"].max())
    n, unit = len(plan.seeds), {"percent": "in percent", "fraction": "as a fraction"}[plan.variants[plan.main].accuracy_unit]
    yield (
        "Supernet: the network of all candidate operations, of which a search draws one an edge at every step. Beta: the "
        "weight of each, which the search trains with it, eq. (2)."
    )
    yield (
        "SSS, search space slimming: a Markov chain, eq. (11), removes operations during the search. OII, the operation "
        "importance indicator: I = S + lambda * beta, eq. (10), where S is the softmax of A / E, an operation's validation "
        "accuracy through the epochs that it was trained. I feeds the chain; without OII beta does; without both all operations "
        "stay, and beta chooses in the end."
    )
    yield (
        f"Searches on {next(iter(searches.values())).about.data}: {len(plan.variants)} variants, {n} seed{'s' * (n > 1)} each, "
        f"{table.epochs_text(plan, 'search', epochs)}; A is {unit} there. Random cells: one a seed, not searched."
    )
    yield (
        f"Searches on NAS-Bench-201: others, on {bench.load(scale).images}, with A as a fraction unless it says percent. The "
        "accuracy of each of its cells is known. True strength of an operation on an edge: the mean accuracy of all cells that "
        "have it there, unless it says otherwise. Tau: Kendall's, 1 for the same order, 0 for chance."
    )


def _ranking(scale: str) -> tuple[list[str], str]:
    """The answers on ranking in a line each; the section."""
    plan, strengths, cells = bench.load(scale), bench_read.strengths(scale), bench_read.cells(scale)
    final = {name: bench_read.final(cells, name) for name in (*plan.variants, bench.MASKED)}
    short = [
        f"{words} n {test.n}, {bench_questions.difference(unit, test)}: {bench_questions.answer(test, unit)}."
        for words, unit, test in bench_questions.asked(plan, final, strengths)
        if unit == "tau"
    ]
    lines = [_own_measure(plan, strengths, final)]
    if NOW in plan.variants and bench_questions.CELLS[-1] in plan.variants:
        mean = strength.over_searches(bench_questions.accuracy(final, NOW, bench_questions.CELLS[-1]))
        lines.append(f"The last question for A in percent, the default now: {interval(mean)} points.")
    return short, (
        "On NAS-Bench-201. What is asked, and what counts as an answer, was [written down before](../../docs/evidence.md), where "
        "additions are listed too. All of it: [table_bench.md](table_bench.md).\n\n"
        f"{bench_questions.questions(plan, final, strengths)}\n"
        f"Looked at afterwards, and not tested:\n\n{table.notes(lines)}"
    )


def _own_measure(plan: bench.Plan, strengths: pd.DataFrame, final: dict[str, pd.DataFrame]) -> str:
    telling = bench_read.telling(final[plan.masked])
    rows = bench_read.by_truth(strengths[strengths["variant"] == plan.masked], telling)[bench_read.TELLING]
    if rows.empty:
        return "By the paper's own measure (Figs. 1 and 4) no edge tells anything: no replacement changes what a cell computes."
    taus = {name: bench_read.summary(rows[rows["quantity"] == name], "tau") for name in OWN_MEASURE}
    found = "; ".join(f"{bench.QUANTITIES[name]}: {interval(mean, '.2f')}" for name, mean in taus.items())
    return (
        "By the paper's own measure (Figs. 1 and 4), the search's own cell with the operation in its place, on the "
        f"{len(telling)} edges where that changes what the cell computes, tau is: {found}."
    )


def _about_convergence(scale: str, plan: plans.Plan) -> str:
    first = changes.first_prune(scale, plan)
    return (
        "Training accuracy of the supernet, on the operations that it draws; paired by seed, Student's interval and test. After "
        f"the first prune: the mean of the epochs after {first}, up to which searches of one seed are the same. That SSS raises "
        "it is to be expected of any pruning: the supernet draws from fewer operations and trains each more often. So this tells "
        "of the search and not of the cells.\n"
    )


def _over_searches(plan: plans.Plan, searches: dict[str, load.Searches]) -> Iterator[str]:
    about = next(iter(searches.values())).about
    yield (
        f"The cell of every search, {_trained(plan, searches)}{' with CutOut' * bool(plan.per_seed.cutout)} on {about.data}; "
        f"test error in percent (chance {100 * (1 - 1 / about.classes):.0f}), Student's interval over searches.\n"
    )
    rows = []
    for name, found in searches.items():
        spread = reference.NONE if found.sd is None else f"{found.sd:.2f}"
        rows.append([findings_cells.name(plan, name), str(found.n), interval(estimate.mean(found.errors), ".2f"), spread])
    yield table.grid(("Cells of", "n", "Error (%)", "sd"), rows)


def _power(searches: dict[str, load.Searches]) -> list[str]:
    """A sentence: what differences of errors the tests can see; none of searches too few or too much alike to say."""
    n = next(iter(searches.values())).n
    spreads, pairs = [found.sd or 0.0 for found in searches.values()], comb(len(searches), 2)
    if n < SPREAD or not any(spreads):
        return []
    sd = statistics.fmean(spread**2 for spread in spreads) ** 0.5
    low, high = estimate.of_deviation(len(searches) * (n - 1))
    strictest, single = (estimate.visible(n, estimate.LEVEL / tests) * sd for tests in (pairs, 1))
    return [
        f"With {n} searches a variant that scatter as these do (sd {sd:.2f}, known to a factor of {low:.1f} to {high:.1f}), "
        f"the test finds a difference with a chance of 80 % if it is {strictest:.1f} points, at the strictest step of the "
        f"correction for {pairs} pairs; uncorrected, {single:.1f}."
    ]
