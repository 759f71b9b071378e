"""The page reports/SCALE/findings.md: what the results say about the paper's claims, each number with what it leaves open."""

import re
import statistics
from collections.abc import Iterator, Sequence
from math import comb

from eoinas import bench
from eoinas import plan as plans
from eoinas.report import (
    changes,
    estimate,
    findings_cells,
    findings_paper,
    findings_ranking,
    findings_transfer,
    load,
    reference,
    table,
)
from eoinas.report.estimate import interval
from eoinas.report.scale import announce, is_paper, opening

SPREAD = 4  # searches of a variant that say how much they scatter


def findings(scale: str) -> table.Table:
    """Markdown, one line a difference as CSV, metrics.

    Raises:
        InputError: a result is missing.
    """
    plan = plans.load(scale)
    searches = {name: load.over_searches(scale, name) for name in plan.candidates}
    found = [*changes.convergence(scale, plan), *changes.errors(plan, searches)]
    below = "" if is_paper(scale) else f" ({announce(scale)})"
    data = next(iter(searches.values())).about.data
    ranking, power = findings_ranking.ranking(scale), _power(searches)
    parts = [
        f"# What was found{below}\n",
        _banner(scale),
        "![Errors over searches, and what ranks operations](fig_findings.png)\n",
        _caption(plan, searches),
        f"## In short{below}\n",
        _count([*ranking.signs, *(change.sign for change in found if _asked(plan, change))]),
        f"**Which operations are good?** {ranking.about}",
        table.notes(ranking.answers),
        f"**Are the cells better?** On the space of the paper, {len(plan.seeds)} searches of each variant on {data}.\n",
        table.notes(
            [
                *findings_cells.short(scale, plan),
                *(f"Supernet. {each}" for each in changes.sentences(found, changes.ACCURACY, "last epoch")),
                *(f"Test error. {each}" for each in changes.sentences(found, changes.ERROR)),
                *power,
                findings_paper.short(),
            ]
        ),
        "## Words\n",
        table.notes(_words(scale, plan, searches)),
        f"## Does the indicator rank operations better than beta?{below}\n",
        ranking.section,
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
        "Each number is one training, or the mean of n where n is given; differences between rows are not tested. Brackets: "
        "what the number of test images leaves open; the scatter of trainings is not in them.\n",
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
    held = "" if is_paper(scale) else f" **{opening(scale)}: no number here may be held against one of the paper.**"
    return (
        f"> Made by the pipeline from the results of scale {scale}; each sentence follows from its numbers by a rule.{held} "
        'Brackets are 95 % intervals, each by itself. "Lower", "higher" and "no significant difference" are of tests at 5 %, '
        "corrected for their number (Holm): an interval can leave out 0 where the test finds nothing, and what a test does not "
        'find may be there. "Refuted by the interval" is no test: the interval ends below the smallest advantage that was called '
        "relevant beforehand.\n"
    )


def _asked(plan: plans.Plan, change: changes.Change) -> bool:
    """Whether it is an error by which the method is judged: not that of a part of it against random cells."""
    return change.about == changes.ERROR and (change.one != plans.RANDOM or change.other == plan.main)


def _count(signs: Sequence[int]) -> str:
    """How many questions are answered, and how."""
    favour, against, still = (signs.count(sign) for sign in (1, -1, 0))
    return (
        f"Of {len(signs)} questions on operations and test errors {favour} {_is(favour)} answered in the method's favour, "
        f"{against} against it, and {still} {_is(still)} open.\n"
    )


def _is(count: int) -> str:
    return "is" if count == 1 else "are"


def _caption(plan: plans.Plan, searches: dict[str, load.Searches]) -> str:
    return (
        f"*Left: test error of the cells found, {_trained(plan, searches)}; a dot is the cell of a search, or a random cell. "
        "Right: how well each quantity ranks the operations of an edge on NAS-Bench-201; a dot is a search. Bars are of single "
        "means; differences are tested below.*\n"
    )


def _trained(plan: plans.Plan, searches: dict[str, load.Searches]) -> str:
    about = next(iter(searches.values())).about
    times = f"{about.n} times" if about.n > 1 else "once"
    return f"each trained from scratch {times} for {table.epochs_text(plan, 'retrain', about.epochs)}"


def _words(scale: str, plan: plans.Plan, searches: dict[str, load.Searches]) -> Iterator[str]:
    epochs = int(load.histories(scale, [plan.main])["epoch"].max())
    unit = {"percent": "in percent", "fraction": "as a fraction"}[plan.variants[plan.main].accuracy_unit]
    yield (
        "Supernet: the network of all candidate operations, of which a search draws one an edge at every step. Beta: the weight "
        "of an operation, which the search trains beside, eq. (2)."
    )
    yield (
        "OII, the operation importance indicator: I = S + lambda * beta, eq. (10). S is the softmax over the edge of A / E: A is "
        "an operation's validation accuracy, E the number of epochs that it was trained. The paper does not say whether A is a "
        "fraction or in percent; as a fraction S is nearly constant, so that I is almost beta."
    )
    yield (
        "SSS, search space slimming: a Markov chain, eq. (11), removes operations during the search. I feeds it; without OII "
        "beta does. Without both all operations stay, and beta chooses in the end."
    )
    yield (
        f"Searches of {next(iter(searches.values())).about.data}: {table.epochs_text(plan, 'search', epochs)}, one for the "
        f"weights and one for beta; A {unit}. Random cells: one a seed, not searched. n counts searches, each with a seed of its "
        "own, or random cells."
    )
    yield (
        f"Searches on NAS-Bench-201: others, of {bench.load(scale).images}, with A as a fraction unless it says percent. True "
        "strength of an operation on an edge: the mean accuracy of all cells that have it there, unless it says otherwise. Tau: "
        "Kendall's, 1 for the same order, 0 for chance."
    )


def _about_convergence(scale: str, plan: plans.Plan) -> str:
    first = changes.first_prune(scale, plan)
    after = (
        f"After the first prune: the mean over all epochs from {first + 1} on; up to {first} searches of one seed are the same. "
        if first
        else ""
    )
    return (
        "Training accuracy of the supernet, on the operations that it draws; paired by seed, Student's interval and test. "
        f"{after}That SSS raises it is to be expected of any pruning: the supernet draws from fewer operations and trains each "
        "more often. So this tells of the search and not of the cells.\n"
    )


def _over_searches(plan: plans.Plan, searches: dict[str, load.Searches]) -> Iterator[str]:
    about = next(iter(searches.values())).about
    yield (
        f"The cell of every search, {_trained(plan, searches)}{' with CutOut' * bool(plan.per_seed.cutout)} on {about.data}; "
        f"test error in percent (chance {100 * (1 - 1 / about.classes):.4g}), Student's interval over searches.\n"
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
        f"How large a difference can be seen? With {n} searches of each variant and the scatter found here (sd {sd:.2f} points, "
        f"known to a factor of {low:.1f} to {high:.1f}) one of {strictest:.1f} points is found with a chance of 80 % at the "
        f"strictest step of the correction for {pairs} pairs, of {single:.1f} points without correction. Smaller ones are likely "
        "to be missed."
    ]
