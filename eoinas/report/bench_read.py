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
