"""Every cell that a search on NAS-Bench-201 stood for, looked up; and how what it knew ranks operations, edge by edge."""

import functools
from typing import TYPE_CHECKING

import numpy as np

from eoinas import bench
from eoinas.data import nasbench201
from eoinas.metrics import bench_load, strength

if TYPE_CHECKING:
    import pandas as pd

Searches = list[tuple[str, int, bench_load.Found]]  # variant, seed, what it left


def tables(scale: str) -> "tuple[pd.DataFrame, pd.DataFrame]":
    """What ``cells`` and ``strengths`` say of every search of a scale.

    Raises:
        InputError: a result or the table is missing or damaged.
    """
    plan = bench.load(scale)
    table = bench_load.table(plan)
    found = [(name, seed, each) for name in plan.variants for seed, each in bench_load.found(scale, plan, name).items()]
    masked = [(seed, bench_load.masked(scale, plan, seed)) for _, seed in plan.variants[plan.masked].searches]
    operations = {name: variant.search["operations"] for name, variant in plan.variants.items()}
    return cells(table, found, masked), strengths(table, found, operations)


def cells(table: nasbench201.Table, searches: Searches, masked: list[tuple[int, tuple[str, ...]]]) -> "pd.DataFrame":
    """A row for each search and step of the chain, and one with epoch ``bench.FINAL``: the cell, its accuracies, rank and regret.

    Args:
        masked: seed and cell of each choice by masking.
    """
    import pandas as pd

    look_up, rows = functools.cache(functools.partial(_worth, table)), []
    for name, seed, found in searches:
        steps = [*zip(found.epochs, found.cells, strict=True), (bench.FINAL, found.final)]
        rows += [{"variant": name, "seed": seed, "epoch": epoch, **look_up(cell)} for epoch, cell in steps]
    rows += [{"variant": bench.MASKED, "seed": seed, "epoch": bench.FINAL, **look_up(cell)} for seed, cell in masked]
    return pd.DataFrame(rows)


def _worth(table: nasbench201.Table, cell: tuple[str, ...]) -> dict:
    accuracies = {name: table.accuracy(cell, name) for name in nasbench201.ACCURACIES}
    best = table.columns[nasbench201.TEST].max()
    operations = nasbench201.format_cell(nasbench201.number(cell))
    regret = round(float(best - accuracies[nasbench201.TEST]), 4)
    return {"operations": operations, **accuracies, "rank": table.rank(cell), "regret": regret}


def strengths(table: nasbench201.Table, searches: Searches, operations: dict[str, list[str]]) -> "pd.DataFrame":
    """A row for each search, step of the chain, edge, quantity and definition of true strength: tau and regret.

    Of a search that prunes, the steps before its prunes alone: what each decision rested on.

    Args:
        operations: of each variant, in the order of its searches.
    """
    import pandas as pd

    about, taus, regrets = [], [], []
    of_all = {"mean": table.mean_with(), "best": table.best_with()}  # [E, O], as ``nasbench201.OPERATIONS``
    for name, seed, found in searches:
        steps = [step for step, epoch in enumerate(found.epochs) if not found.prunes or epoch in found.prunes]
        order = [nasbench201.OPERATIONS.index(operation) for operation in operations[name]]
        for truth, whole in {**of_all, "replaced": table.replaced(found.final)}.items():
            values = whole[:, order]
            for quantity, known in found.quantities.items():
                about += [
                    (name, seed, found.epochs[step], edge, quantity, truth) for step in steps for edge in range(nasbench201.EDGES)
                ]
                taus.append(strength.tau(known[steps], values).ravel())
                regrets.append(strength.regret(known[steps], values).ravel())
    frame = pd.DataFrame(about, columns=["variant", "seed", "epoch", "edge", "quantity", "truth"])
    return frame.assign(tau=np.concatenate(taus), regret=np.concatenate(regrets))
