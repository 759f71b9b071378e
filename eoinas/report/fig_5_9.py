"""Figs. 5 and 9: the selected cell of every variant and the best random one."""

from pathlib import Path

from eoinas import plan as plans
from eoinas.report import cells, load, table
from eoinas.report.scale import is_paper


def fig_5_9(scale: str, path: Path | str) -> None:
    """Draw one row a variant.

    Raises:
        InputError: a genotype is missing.
    """
    plan = plans.load(scale)
    suffix = "" if is_paper(scale) else f" - {scale} scale, not a paper result"
    rows = {_title(plan, name) + suffix: load.selected_cells(scale, name) for name in plan.candidates}
    cells.draw_many(rows, path, plan.space.operations)


def _title(plan: plans.Plan, candidate: str) -> str:
    """In words, with the paper's figure of its like."""
    label = table.label(plan, candidate)
    if candidate not in plan.variants:
        return f"{label}, the best of {len(plan.seeds)}"
    if candidate == plan.main:
        return f"{label} (Fig. 5)"
    return f"{label} (Fig. 9)" if candidate in _of_fig_9(plan) else label


def _of_fig_9(plan: plans.Plan) -> set[str]:
    """The first variants without OII, one without slimming and one with it."""
    without = [(variant.slimming, name) for name, variant in plan.variants.items() if variant.indicator == "beta"]
    return set(dict(reversed(without)).values())
