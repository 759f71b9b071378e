"""Fig. 10: the cells that the search on street scenes ended in."""

from pathlib import Path

from eoinas import plan as plans
from eoinas.report import cells, load
from eoinas.report.scale import is_paper


def fig_10(scale: str, path: Path | str) -> None:
    """Draw them one above the other.

    Raises:
        InputError: the genotype is missing.
    """
    plan = plans.load(scale)
    suffix = "" if is_paper(scale) else f" - {scale} scale, not a paper result"
    title = f"{plan.variants[plan.seg_variant].label} on street scenes (Fig. 10){suffix}"
    cells.draw(load.cells(scale, f"results/{scale}/seg_genotype.json"), path, title, plan.space.operations)
