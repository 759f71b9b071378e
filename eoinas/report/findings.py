"""The page reports/SCALE/findings.md: what the results say about the paper's claims, each number with what it leaves open."""

import re
import statistics
from collections.abc import Iterator, Sequence
from itertools import combinations
from math import comb

import pandas as pd

from eoinas import bench
from eoinas import plan as plans
from eoinas.data.cityscapes_labels import CLASSES
from eoinas.metrics.strength import Mean
from eoinas.report import bench_questions, bench_read, estimate, likeness, load, load_transfer, reference, table, welch
from eoinas.report.scale import announce, is_paper

SPREAD = 4  # searches of a variant that say how much they scatter
NONE = "one search each, or none that differs: nothing can be said"
PARTS = (("baseline", "sss", "SSS"), ("sss", "eoinas", "OII"))  # the paper's steps: from which variant to which, by what
WHOLE = ("baseline", "eoinas", "SSS and OII")


def findings(scale: str) -> table.Table:
    """Markdown, one line a finding as CSV, metrics.

    Raises:
        InputError: a result is missing.
    """
    plan, asked = plans.load(scale), bench.load(scale)
    cells, strengths = bench_read.cells(scale), bench_read.strengths(scale)
    final = {name: bench_read.final(cells, name) for name in asked.variants}
    searches = {name: load.over_searches(scale, name) for name in plan.candidates}
    steps = [(one, other, what) for one, other, what in PARTS if one in plan.variants and other in plan.variants]
    whole = [(one, other, what) for one, other, what in (WHOLE,) if one in plan.variants and other in plan.variants]
    below = "" if is_paper(scale) else f" ({announce(scale)})"
    records = [*_convergence(scale, plan, steps), *_errors(searches, [*steps, *whole])]
    parts = [
        f"# What was found{below}\n",
        _banner(scale, plan, searches),
        "![Errors over searches, and what ranks operations](fig_findings.png)\n",
        f"## Does the indicator rank operations better than beta?{below}\n",
        _ranking(asked, final, strengths),
        f"## Do SSS and OII change the cells?{below}\n",
        *_likeness(scale, plan),
        f"## Do they change how the search converges? (Figs. 7 and 8){below}\n",
        "Of the supernet, on the operations that it draws; paired by seed, the verdict by Student's test with Holm's correction "
        "for all of these. A pruned supernet draws from fewer operations and trains each more often, so its training accuracy "
        "tells of the search and not of the cells.\n",
        _sentences(records, "convergence", plan),
        f"## Do they change the error of the cells?{below}\n",
        *_over_searches(plan, searches),
        "Searches of two variants taken as independent draws, Welch's interval; the verdict is that of Welch's test with Holm's "
        "correction for all pairs, as in [table_3.md](table_3.md).\n",
        _sentences(records, "test error", plan),
        "## What do the paper's own differences mean?\n",
        *_paper(),
        f"## Transfer{below}\n",
        table.notes(_transfer(scale, plan)),
    ]
    return table.Table("\n".join(parts), table.csv_text(records), _metrics(records))


def _metrics(records: list[dict]) -> dict:
    """The estimates by what they are of, with keys that dvc's options can name."""
    found: dict[str, dict] = {}
    for record in records:
        about, _, what = record["what"].partition(": ")
        group, name = (re.sub(r"\W+", "_", each).lower() for each in (about, what))
        numbers = {key: record[key] for key in ("difference", "low", "high") if record[key] is not None}
        found.setdefault(group, {})[name] = {key: round(value, 4) for key, value in numbers.items()}
    return found


def _banner(scale: str, plan: plans.Plan, searches: dict[str, load.Searches]) -> str:
    about, n = next(iter(searches.values())).about, len(plan.seeds)
    held = "" if is_paper(scale) else f" **{announce(scale).capitalize()}: no number here may be held against one of the paper.**"
    return (
        f"> Made by the pipeline from the results of scale {scale}; each sentence follows from its numbers by a rule.{held} "
        f"Searches of {len(plan.variants)} variants, {n} seed{'s' * (n > 1)} each, on {about.data}. Intervals are 95 %, each by "
        'itself. "No significant difference" means that a test does not find one and not that there is none.\n'
    )


def _ranking(asked: bench.Plan, final: dict[str, pd.DataFrame], strengths: pd.DataFrame) -> str:
    n = len(asked.variants[asked.masked].searches)
    return (
        f"On NAS-Bench-201, where the accuracy of every cell is known, with {n} searches; what counts as an answer was written "
        "down before (docs/evidence.md). The whole is in [table_bench.md](table_bench.md).\n\n"
        f"{bench_questions.questions(asked, final, strengths)}"
    )


def _likeness(scale: str, plan: plans.Plan) -> Iterator[str]:
    cells = likeness.found(scale)
    whole = likeness.edges(next(iter(cells[plan.main].values())))
    rows = []
    for one in plan.candidates:
        others = likeness.other_seeds(cells, one, one)
        simple = [likeness.without_weights(cell, plan.space) for cell in cells[one].values()]
        rows.append([table.label(plan, one), _between(others), _between(simple)])
    chance = float(likeness.chance(next(iter(cells[plan.main].values())), plan.space))
    yield (
        f"Edges of a search's cells that another search's cells have too, with the same operation between the same nodes, "
        f"of {whole}: mean (smallest to largest). Chance is {chance:.1f}, inputs and operations drawn evenly, but for zero.\n"
    )
    columns = ("Searches", f"Shared by two seeds, of {whole}", f"Operations without weights (skip, pooling), of {whole}")
    yield table.grid(columns, rows)
    pairs = [
        [
            f"{table.label(plan, one)}; {table.label(plan, other)}",
            _between(likeness.same_seed(cells, one, other)),
            _between(likeness.other_seeds(cells, one, other)),
        ]
        for one, other in combinations(plan.variants, 2)
    ]
    if pairs:
        yield table.grid(("Two variants", "Shared with the same seed", "Shared with another seed"), pairs)


def _between(counts: Sequence[int]) -> str:
    return f"{sum(counts) / len(counts):.1f} ({min(counts)} to {max(counts)})" if counts else reference.NONE


def _convergence(scale: str, plan: plans.Plan, steps: list[tuple[str, str, str]]) -> Iterator[dict]:
    """Training accuracy in the last epoch and over all epochs in percent, paired by seed."""
    curves, found = load.histories(scale, list(plan.variants)), []
    last = curves[curves["epoch"] == curves.groupby("variant")["epoch"].transform("max")]
    for one, other, what in steps:
        for frame, when in ((last, "in the last epoch"), (curves, "over all epochs")):
            means = 100 * frame.groupby(["variant", "seed"])["train_accuracy"].mean()
            found.append((f"convergence: {what}, training accuracy {when}", one, other, means[one], means[other]))
    corrected = estimate.paired([(after - before).tolist() for *_, before, after in found])
    for (about, one, other, before, after), p in zip(found, corrected, strict=True):
        change = estimate.mean((after - before).tolist())
        verdict = NONE if p is None else _verdict(change.value, p)
        yield _record(about, one, other, change, before.mean(), after.mean(), verdict=verdict)


def _errors(searches: dict[str, load.Searches], steps: list[tuple[str, str, str]]) -> Iterator[dict]:
    """Test error over searches in percent: each step of the method, and each variant against random cells.

    The tests are those of Table III, corrected for all of its pairs.
    """
    tests = {test["pair"]: test for test in welch.welch({name: found.errors for name, found in searches.items()})}
    own = [name for name in searches if name != plans.RANDOM]
    for one, other, what in [*steps, *((plans.RANDOM, name, name) for name in own)]:
        a, b = searches[one], searches[other]
        against = " against random cells" if one == plans.RANDOM else ""
        test = tests.get((one, other)) or tests[other, one]
        verdict, difference = welch.NO_TEST, estimate.difference(b.errors, a.errors)
        if test["holm"] is not None:
            verdict = _verdict(difference.value, test["holm"])
        yield _record(f"test error: {what}{against}", one, other, difference, a.mean, b.mean, verdict=verdict)


def _verdict(difference: float, p: float) -> str:
    different = "**lower**" if difference < 0 else "**higher**"
    return f"{different if p < welch.LEVEL else 'no significant difference'} (p {p:.2g})"


def _record(what: str, one: str, other: str, found: Mean, before: float, after: float, *, verdict: str) -> dict:
    numbers = {"before": before, "after": after, "difference": found.value, "low": found.low, "high": found.high}
    rounded = {key: None if value is None else round(value, 6) for key, value in numbers.items()}  # the rest is the machine's
    return {"what": what, "from": one, "to": other, **rounded, "verdict": verdict}


def _sentences(records: list[dict], kind: str, plan: plans.Plan) -> str:
    lines = []
    for record in records:
        about, _, what = record["what"].partition(": ")
        if about == kind:
            interval = bench_questions.interval(Mean(record["difference"], record["low"], record["high"]))
            before, after = (
                f"{table.label(plan, record[name])} {record[value]:.2f}" for name, value in (("from", "before"), ("to", "after"))
            )
            lines.append(f"{what}: {after}, {before} %; {interval} points: {record['verdict']}.")
    return table.notes(lines)


def _over_searches(plan: plans.Plan, searches: dict[str, load.Searches]) -> Iterator[str]:
    first, n = next(iter(searches.values())), len(plan.seeds)
    many = f"{n} search{'es' * (n > 1)}"
    length = table.epochs_text(plan, "retrain", first.about.epochs)
    yield (
        f"The cell of every search, trained from scratch {first.about.n} time{'s' * (first.about.n > 1)} for "
        f"{length}{' with CutOut' * bool(plan.per_seed.cutout)} on {first.about.data}; test error in percent, Student's interval "
        f"over {many}.\n"
    )
    rows = [
        [
            table.label(plan, name),
            str(found.n),
            bench_questions.interval(estimate.mean(found.errors), ".2f"),
            "" if found.sd is None else f"{found.sd:.2f}",
        ]
        for name, found in searches.items()
    ]
    yield table.grid(("Cells of", "n", "Error (%)", "sd"), rows)
    spreads, pairs = [found.sd or 0.0 for found in searches.values()], comb(len(searches), 2)
    if n >= SPREAD and any(spreads):
        sd = statistics.fmean(spread**2 for spread in spreads) ** 0.5
        strictest = estimate.visible(n, estimate.LEVEL / pairs)
        yield (
            f"With {many} each that scatter as these do (sd {sd:.2f}), a test finds a difference with a chance of 80 % if it is "
            f"about {strictest * sd:.1f} points, at the strictest step of Holm's correction for {pairs} pairs; one test alone, "
            f"{estimate.visible(n) * sd:.1f}.\n"
        )


def _paper() -> Iterator[str]:
    errors = [float(row.error) for row in reference.TABLE_3]
    sd = reference.RANDOM_SD
    lines = []
    for what, before, after in (("SSS", *errors[:2]), ("OII", *errors[1:3])):
        effect = (before - after) / sd
        lines.append(
            f"{what}: {before:.2f} to {after:.2f} %, {before - after:.2f} points: {(before - after) / reference.SEEDS_SD:.1f} "
            f"deviations of seeds, {effect:.2f} of cells. Of cells four searches a variant would show it with a chance of "
            f"{100 * estimate.power(effect, 4):.0f} %; for 80 % it takes {estimate.needed(effect)}."
        )
    yield (
        "Quoted: Table III of the paper has one selected cell a variant. Random cells of the same space, trained by the same "
        f"recipe, have {reference.RANDOM_ERROR} ± {sd} % ({reference.RANDOM_NETWORKS} networks; {reference.RANDOM_SOURCE}); one "
        f"cell trained again with other seeds {reference.SEEDS_ERROR} ± {reference.SEEDS_SD} ({reference.SEEDS_SOURCE}). So a "
        "difference of two selected cells may be of these cells and yet say nothing of the methods that found them. If cells "
        "that are found scatter as random ones do:\n"
    )
    yield table.notes(lines)


def _transfer(scale: str, plan: plans.Plan) -> Iterator[str]:
    for key, entry in plan.imagenet.items():
        top1, _ = load_transfer.imagenet(scale, key)
        chance = 100 * (1 - 1 / top1.classes)
        yield (
            f"{table.label(plan, entry.genotype)} on {top1.data}, {table.epochs_text(plan, 'imagenet', top1.epochs)}: "
            f"top-1 error {top1.mean:.2f} %, chance {chance:.2f} % ({top1.classes} classes); one training, {top1.images} images."
        )
    for key, entry in plan.cityscapes.items():
        found = {init: load_transfer.segmented(scale, key, init) for init in load_transfer.INITS}
        gain = found["pretrained"].miou - found["scratch"].miou
        yield (
            f"{table.label(plan, entry.genotype)} on {found['scratch'].data}: mIoU over {found['scratch'].classes} of "
            f"{len(CLASSES)} classes {found['scratch'].miou:.1f} from scratch, "
            f"{found['pretrained'].miou:.1f} from the pretrained backbone, {gain:+.1f} points; one training each, so how much of "
            "it is chance is not known."
        )
