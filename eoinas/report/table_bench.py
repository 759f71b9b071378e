"""The table of NAS-Bench-201: what the cells of all searches are worth, whether variants differ, what ranks operations."""

import statistics
from collections.abc import Iterator

import pandas as pd

from eoinas import bench
from eoinas.data import nasbench201
from eoinas.metrics import strength
from eoinas.report import bench_questions, bench_read, estimate, load, table, welch
from eoinas.report.bench_reference import PUBLISHED
from eoinas.report.reference import NONE
from eoinas.report.scale import announce, is_paper

DRAWS = (4, 10, 100)  # of random search
BOOTSTRAP = f"a bootstrap over searches, of {strength.FEWEST} and more (of {strength.FEWEST} it covers about 88 %)"
ALL_3X3 = ("nor_conv_3x3",) * nasbench201.EDGES
TESTS = [name for name in nasbench201.ACCURACIES if name != nasbench201.VALID]
COLUMNS = (
    *("Source", "Cell by", "n", *(f"{nasbench201.ACCURACIES[name]} (%)" for name in TESTS)),
    *("Rank of 15,625, median", "Regret on CIFAR-10 (points)", "Edges in use, of 6, mean"),
)


def table_bench(scale: str) -> table.Table:
    """Markdown, CSV and metrics.

    Raises:
        InputError: a result is missing.
    """
    plan = bench.load(scale)
    truth = nasbench201.load(plan.table, plan.sha256)
    cells, strengths = bench_read.cells(scale), bench_read.strengths(scale)
    measured = {name: bench_read.final(cells, name) for name in (*plan.variants, bench.MASKED)}
    telling = bench_read.telling(measured[plan.masked])
    ranks = list(rankings(plan, strengths, telling))
    records = [{"kind": "cells", **record} for record in _records(plan, measured)]
    metrics = {name: _numbers(frame) for name, frame in measured.items()}
    metrics["tau"] = {row["quantity"]: round(row["tau"].value, 4) for row in ranks if row["truth"] == "mean"}
    markdown = _markdown(scale, plan, truth, measured, strengths, ranks, len(telling))
    return table.Table(markdown, table.csv_text(records), metrics)


def label(plan: bench.Plan, name: str) -> str:
    """A variant, or masking, in words."""
    if name == bench.MASKED:
        return f"masking, on the supernets of `{plan.masked}`"
    return plan.variants[name].label


def _numbers(frame: pd.DataFrame) -> dict:
    """Mean test accuracy and rank of the searches' cells."""
    found = frame[nasbench201.TEST]
    spread = {"sd": round(float(found.std()), 4)} if len(found) > 1 else {}
    return {"accuracy": round(float(found.mean()), 4), **spread, "rank": float(frame["rank"].median()), "n": len(found)}


def _records(plan: bench.Plan, measured: dict[str, pd.DataFrame]) -> Iterator[dict]:
    for name, frame in measured.items():
        for seed, row in frame.iterrows():
            yield {"variant": name, "label": label(plan, name), "seed": seed, **row.drop(["variant", "epoch"]).to_dict()}


def comparisons(measured: dict[str, pd.DataFrame], plan: bench.Plan) -> dict[str, bench_questions.Tested]:
    """Every variant against the one that masking is done on, paired by seed; p by sign flips, Holm's over all.

    Seeds that both have are counted.
    """
    reference, found = measured[plan.masked], {}
    for name, frame in measured.items():
        pairs = frame.merge(reference, left_index=True, right_index=True, suffixes=("", "_other"))
        if name != plan.masked and len(pairs) > 1:
            found[name] = (pairs[nasbench201.TEST] - pairs[f"{nasbench201.TEST}_other"]).to_numpy()
    return dict(zip(found, bench_questions.tested(list(found.values())), strict=True))


def rankings(plan: bench.Plan, strengths: pd.DataFrame, telling: set[tuple[int, int]]) -> Iterator[dict]:
    """Tau and regret of every quantity and definition on the supernets that masking is done on, over all steps of the chain."""
    parts = bench_read.by_truth(strengths[strengths["variant"] == plan.masked], telling)
    for quantity in bench.QUANTITIES:
        for truth, rows in parts.items():
            part = rows[rows["quantity"] == quantity]
            about = {"quantity": quantity, "truth": truth}
            yield {**about, "tau": bench_read.summary(part, "tau"), "regret": bench_read.summary(part, "regret")}


def _markdown(
    scale: str,
    plan: bench.Plan,
    truth: nasbench201.Table,
    measured: dict[str, pd.DataFrame],
    strengths: pd.DataFrame,
    ranks: list[dict],
    telling: int,
) -> str:
    tests = comparisons(measured, plan)
    below = "" if is_paper(scale) else f" ({announce(scale)})"
    parts = [
        f"# NAS-Bench-201{below}: what the cells that were found are worth\n",
        f"Searched on {plan.images}, on the space of NAS-Bench-201 (Dong and Yang, 2020): each search ends in one of its "
        "15,625 cells, whose accuracy is looked up: after 200 epochs, the mean of the benchmark's own trainings. n counts "
        "searches; mean ± sample standard deviation. Regret: the best cell's accuracy less this one's. Edge in use: on a way "
        "from the cell's input to its output that no zero interrupts; with one edge in use the cell is that one operation. "
        f"Days of one search, each rounded down to 0.01, the mean of all: {_days(scale, plan)}.\n",
        table.grid(COLUMNS, [*_measured_rows(scale, plan, measured), *_known_rows(truth), *_published_rows()]),
        *bench_questions.parts(plan, measured, strengths, below),
        f"### Do variants find better or worse cells than {label(plan, plan.masked)}?{below}\n",
        f"CIFAR-10 test accuracy, paired by seed: the mean difference in points, its 95 % interval by {BOOTSTRAP}, p "
        f"of a paired permutation test (signs flipped), and p after Holm's correction for {len(tests)} comparisons, held against "
        f"{welch.LEVEL}. A difference that is not significant is not shown to be none.\n",
        _tests(plan, tests),
        f"### What ranks operations as their true strength does?{below}\n",
        f"On the same supernets, those of `{plan.masked}`, where no operation died: Kendall's tau of what the search knew with "
        "the true strength of the five operations of an edge, and what it costs on an edge to take the operation that it ranks "
        "first, the loss on the edge (points of CIFAR-10 test accuracy), mean over edges and steps of the chain; 95 % intervals "
        f"by {BOOTSTRAP}, here {len(plan.variants[plan.masked].searches)}. True strength is, in turn: "
        f"{'; '.join(bench.TRUTHS.values())}; and the last again, of the edges alone on which a replacement changes what that "
        f"cell computes, {telling} of {nasbench201.EDGES * len(measured[plan.masked])}: on the others the strengths differ as "
        "trainings of one network do.\n",
        _rankings(ranks),
    ]
    return "\n".join(parts)


def _days(scale: str, plan: bench.Plan) -> str:
    searches = ((name, item, seed) for name, variant in plan.variants.items() for item, seed in variant.searches)
    return table.days_text(load.mean_cost(bench.timing(scale, *search) for search in searches))


def _measured_rows(scale: str, plan: bench.Plan, measured: dict[str, pd.DataFrame]) -> Iterator[list[str]]:
    for name, frame in measured.items():
        head = [table.measured_mark(scale), f"**{label(plan, name)}** (`{name}`)", str(len(frame))]
        numbers = [_spread(frame[column].tolist()) for column in (*TESTS, "regret")]
        edges = statistics.fmean(nasbench201.in_use([int(digit) for digit in cell]) for cell in frame["operations"])
        yield [*head, *numbers[:-1], f"{frame['rank'].median():,.0f}", numbers[-1], f"{edges:.1f}"]


def _spread(values: list[float]) -> str:
    return f"{statistics.fmean(values):.2f}" + (f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else "")


def _known_rows(truth: nasbench201.Table) -> Iterator[list[str]]:
    """What follows from the benchmark alone."""
    best, source = truth.columns[nasbench201.TEST].max(), "computed from the benchmark"
    median = statistics.median(truth.columns[nasbench201.TEST])
    for draws in (1, *DRAWS):
        what = f"the best of {draws} random cells by validation accuracy"
        what = f"a random cell; the median one has {median:.1f} on CIFAR-10" if draws == 1 else what
        found = [bench_read.random_cell(truth, draws, column) for column in TESTS]
        (rank,) = bench_read.rank_quantiles(truth, draws, (0.5,))
        accuracies = [f"{mean:.2f} ± {sd:.2f}" for mean, sd in found]
        edges = f"{statistics.fmean(map(nasbench201.in_use, truth.digits)):.1f}" if draws == 1 else NONE
        yield [source, what, NONE, *accuracies, f"{rank:,}", f"{best - found[0][0]:.2f}", edges]
    optimum = tuple(nasbench201.OPERATIONS[o] for o in truth.digits[truth.columns[nasbench201.TEST].argmax()])
    for what, cell in (("3×3 convolutions alone, no search", ALL_3X3), ("the best cell", optimum)):
        numbers = [truth.accuracy(cell, column) for column in TESTS]
        accuracies, edges = [f"{n:.2f}" for n in numbers], nasbench201.in_use([nasbench201.OPERATIONS.index(o) for o in cell])
        yield [source, what, NONE, *accuracies, f"{truth.rank(cell):,}", f"{best - numbers[0]:.2f}", f"{edges}"]


def _published_rows() -> Iterator[list[str]]:
    for row in PUBLISHED:
        seconds = "" if row.seconds == NONE else f", {row.seconds} s"
        yield [f"quoted: {row.source}", f"{row.method}{seconds}", NONE, row.accuracy, *[NONE] * 5]


def _tests(plan: bench.Plan, tests: dict[str, bench_questions.Tested]) -> str:
    if not tests:
        return "One search a variant: nothing to test.\n"
    rows = []
    for name, test in tests.items():
        found = "**better**" if test.mean.value > 0 else "**worse**"
        verdict = found if test.significant else test.unless("no significant difference")
        numbers = [estimate.interval(test.mean), *test.numbers]
        rows.append([f"`{name}` {label(plan, name)}", str(test.n), *numbers, verdict])
    return table.grid(("Variant", "n", "Difference (points)", "p", "p, corrected", "Verdict"), rows)


def _rankings(ranks: list[dict]) -> str:
    names = (*bench.TRUTHS, bench_read.TELLING)
    columns = ("Quantity", *(f"tau, {name}" for name in names), *(f"loss, {name}" for name in names))
    rows = []
    for quantity, words in bench.QUANTITIES.items():
        own = [row for row in ranks if row["quantity"] == quantity]
        rows.append(
            [
                words,
                *(estimate.interval(row["tau"], ".2f") for row in own),
                *(estimate.interval(row["regret"], ".2f") for row in own),
            ]
        )
    return table.grid(columns, rows)
