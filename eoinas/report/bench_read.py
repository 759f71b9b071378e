"""What the stage `bench_truth` wrote, as frames; and what random cells come to, from the benchmark alone."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from eoinas import bench
from eoinas.data import nasbench201
from eoinas.metrics import strength
from eoinas.report.load import existing

if TYPE_CHECKING:
    import pandas as pd

TELLING = "replaced, edges that tell"  # true strength by the search's own cell, of the edges on which it is not noise


def cells(scale: str) -> "pd.DataFrame":
    """A row a search and step: see ``metrics.bench_truth.cells``."""
    return _frame(scale, bench.CELLS, {"operations": str})


def strengths(scale: str) -> "pd.DataFrame":
    """A row a search, step, edge, quantity and definition of true strength: see ``metrics.bench_truth.strengths``."""
    return _frame(scale, bench.STRENGTHS, {})


def _frame(scale: str, name: str, types: dict) -> "pd.DataFrame":
    import pandas as pd

    return pd.read_csv(existing(f"{bench.TRUTH.format(scale=scale)}/{name}"), dtype=types)


def final(frame: "pd.DataFrame", variant: str) -> "pd.DataFrame":
    """The cells that the searches of a variant ended in, by seed."""
    return frame[(frame["variant"] == variant) & (frame["epoch"] == bench.FINAL)].sort_values("seed").set_index("seed")


def summary(frame: "pd.DataFrame", measure: str) -> strength.Mean:
    """Of one variant, quantity and truth: the mean over edges and the steps that are left in, and its interval over searches."""
    return strength.over_searches(frame.groupby("seed")[measure].mean().to_numpy())


def fields(mean: strength.Mean, name: str = "mean") -> dict[str, str | None]:
    """Value, low and high as a CSV has them; None where there is no interval."""
    numbers = {name: mean.value, "low": mean.low, "high": mean.high}
    return {key: None if number is None else f"{number:.4f}" for key, number in numbers.items()}


def by_truth(rows: "pd.DataFrame", telling: set[tuple[int, int]]) -> dict[str, "pd.DataFrame"]:
    """Rows of one variant's strengths by definition; the last again, as ``TELLING``, of the edges (seed, edge) given."""
    import pandas as pd

    found = {truth: rows[rows["truth"] == truth] for truth in bench.TRUTHS}
    own = found["replaced"]
    return found | {TELLING: own[pd.MultiIndex.from_frame(own[["seed", "edge"]]).isin(telling)]}


def telling(cells: "pd.DataFrame") -> set[tuple[int, int]]:
    """(seed, edge) on which an operation changes what the cell computes that the search ended in.

    Any other edge lies on no way from the cell's input to its output, whatever operation it has: the cells that differ in it
    alone compute the same, and their accuracies differ as trainings of one network do.
    """

    def in_use(cell: str, edge: int, operation: str) -> int:
        return nasbench201.in_use([int(digit) for digit in cell[:edge] + operation + cell[edge + 1 :]])

    edges = range(nasbench201.EDGES)
    return {(seed, e) for seed, cell in cells["operations"].items() for e in edges if in_use(cell, e, "1") > in_use(cell, e, "0")}


def rank_quantiles(table: nasbench201.Table, draws: int, shares: Sequence[float]) -> list[int]:
    """Quantiles of the rank of the best of ``draws`` random cells by validation accuracy, exact."""
    order = np.argsort(-table.columns[nasbench201.TEST], kind="stable")
    reached = table.best_of(draws)[order].cumsum()
    return [1 + int(reached.searchsorted(share)) for share in shares]


def random_cell(table: nasbench201.Table, draws: int, column: str) -> tuple[float, float]:
    """Mean and standard deviation of the accuracy of the best of ``draws`` random cells by validation accuracy, exact."""
    chances, values = table.best_of(draws), table.columns[column]
    mean = float(chances @ values)
    return mean, float(chances @ (values - mean) ** 2) ** 0.5
