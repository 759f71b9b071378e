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
    """In words, with the paper's figure of what comes closest to it."""
    label = table.label(plan, candidate)
    if candidate not in plan.variants:
        return f"{label}, the best of {len(plan.seeds)}"
    return f"{label} (Fig. {5 if candidate == plan.main else 9})" if _in_the_paper(plan, candidate) else label


def _in_the_paper(plan: plans.Plan, variant: str) -> bool:
    return variant == plan.main or plan.variants[variant].indicator == "beta"
