"""What the stage `bench_truth` wrote, as frames; and what random cells come to, from the benchmark alone."""

from typing import TYPE_CHECKING

import numpy as np

from eoinas import bench
from eoinas.data import nasbench201
from eoinas.metrics import strength
from eoinas.report.load import existing

if TYPE_CHECKING:
    import pandas as pd


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


def over_edges(frame: "pd.DataFrame", measure: str) -> np.ndarray:
    """A measure of one variant, quantity and truth, the mean over edges and the steps that are left in: [searches, 1]."""
    return frame.groupby("seed")[measure].mean().to_numpy()[:, None]


def summary(frame: "pd.DataFrame", measure: str) -> strength.Mean:
    """The mean over edges and steps, and its interval over searches."""
    return strength.over_searches(over_edges(frame, measure))


def fields(mean: strength.Mean) -> str:
    """Value, low and high as a CSV has them; empty where there is no interval."""
    return ",".join("" if part is None else f"{part:.4f}" for part in mean)


def random_cell(table: nasbench201.Table, draws: int, column: str) -> tuple[float, float]:
    """Mean and standard deviation of the accuracy of the best of ``draws`` random cells by validation accuracy, exact."""
    chances, values = table.best_of(draws), table.columns[column]
    mean = float(chances @ values)
    return mean, float(chances @ (values - mean) ** 2) ** 0.5
