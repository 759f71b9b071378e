"""The second part of Table III: the cell of every search trained, so that methods are compared and not lucky cells."""

from typing import NamedTuple

from eoinas import plan as plans
from eoinas.report import load, same_cells, table, welch
from eoinas.report.scale import announce, is_paper

COLUMNS = ("Source", "Searched by", "SSS", "OII", "Error (%) over searches", "Error (%) of each seed's cell")


class Part(NamedTuple):
    """Markdown, rows of the table's CSV, and numbers for ``dvc metrics show``."""

    markdown: str
    records: list[dict]
    metrics: dict


def part(scale: str) -> Part:
    """A row a variant and one of random search; n counts searches.

    Raises:
        InputError: a result is missing.
    """
    plan = plans.load(scale)
    searches = {candidate: load.over_searches(scale, candidate) for candidate in plan.candidates}
    tests = welch.welch({candidate: found.errors for candidate, found in searches.items()})
    records = [record for candidate, found in searches.items() for record in _records(scale, plan, candidate, found)]
    numbers = {candidate: _metrics(found) for candidate, found in searches.items()}
    metrics = {"over_searches": numbers, "welch_over_searches": welch.metrics(tests)}
    return Part(_markdown(scale, plan, searches, tests), records, metrics)


def _markdown(scale: str, plan: plans.Plan, searches: dict[str, load.Searches], tests: list[dict]) -> str:
    title, each = plan.datasets[plan.searched_on].title, plan.per_seed.runs
    below = "" if is_paper(scale) else f" ({announce(scale)})"
    rows = [_row(scale, plan, candidate, found) for candidate, found in searches.items()]
    trained = f"trained from scratch {each} time{'s' * (each > 1)}{' with CutOut' * bool(plan.per_seed.cutout)}"
    n = len(plan.seeds)
    caution = (
        f"**n is small.** With {n} search{'es' * (n > 1)} a variant only a large difference can be seen, and one that is not "
        "significant is not shown to be none. All variants use the same seeds, which the test takes as independent draws."
    )
    parts = [
        f"## Over searches{below}: the cell of every seed\n",
        f"The cell of every search, not of the best one alone, {trained} on {title}. The error of a search is the mean of these "
        "runs; mean ± sample standard deviation are taken over the n searches. The table above has the paper's form: the best of "
        f"{n} by validation score, trained {len(plan.runs)} time{'s' * (len(plan.runs) > 1)}. Bold: the selected seed.\n",
        table.grid(COLUMNS, rows),
        *([table.notes(same)] if (same := same_cells.of_searches(scale)) else []),
        f"### Do the search methods differ by more than chance?{below}\n",
        *([f"{welch.about(tests, 'searches')} {caution}{table.caution(scale)}\n"] if welch.testable(tests) else []),
        welch.markdown(tests),
    ]
    return "\n".join(parts)


def _row(scale: str, plan: plans.Plan, candidate: str, found: load.Searches) -> list[str]:
    images = table.images_text(found.about, plan.datasets[plan.searched_on].title)
    each = [
        f"**{seed}: {runs.mean:.2f}**" if seed == found.selected else f"{seed}: {runs.mean:.2f}"
        for seed, runs in found.by_seed.items()
    ]
    return [
        *(table.measured_mark(scale), f"**{table.label(plan, candidate)}** (`{candidate}`)", *table.marks(plan, candidate)),
        f"**{table.spread_text(found)}** ({table.count_text(candidate, found.n)}{images})",
        ", ".join(each),
    ]


def _records(scale: str, plan: plans.Plan, candidate: str, found: load.Searches) -> list[dict]:
    """The variant's record, whose n counts searches, and one a search, whose n counts runs."""
    sss, oii = table.parts(plan, candidate)
    head = {"source": "measured", "scale": scale, "entry": candidate, "cutout": plan.per_seed.cutout}
    head |= {"architecture": table.label(plan, candidate), "sss": sss, "oii": oii, "images": found.about.data}
    whole = {**head, "part": "over searches", **table.error_record(found)}
    return [whole, *({**head, "part": "one search", "seed": seed, **table.error_record(r)} for seed, r in found.by_seed.items())]


def _metrics(found: load.Searches) -> dict:
    spread = {} if found.sd is None else {"sd": round(found.sd, 4)}
    return {"test_error": round(found.mean, 4), **spread, "n": found.n, "runs": found.about.n}
