"""Every cell that a search on NAS-Bench-201 stood for, looked up; and how what it knew ranks operations, edge by edge."""

from collections.abc import Iterator

from eoinas import bench
from eoinas.data import nasbench201
from eoinas.metrics import bench_load, strength


def cells(scale: str) -> list[dict]:
    """A row for each search and step of the chain, and one with epoch ``bench.FINAL``: the cell, its accuracies, rank and regret.

    Raises:
        InputError: a result or the table is missing or damaged.
    """
    plan = bench.load(scale)
    table = bench_load.table(plan)
    rows = []
    for name in plan.variants:
        for seed, found in bench_load.found(scale, plan, name).items():
            steps = [*zip(found.epochs, found.cells, strict=True), (bench.FINAL, found.final)]
            rows += [_row(table, name, seed, epoch, cell) for epoch, cell in steps]
    for _, seed in plan.variants[plan.masked].searches:
        rows.append(_row(table, bench.MASKED, seed, bench.FINAL, bench_load.masked(scale, plan, seed)))
    return rows


def _row(table: nasbench201.Table, variant: str, seed: int, epoch: int, cell: tuple[str, ...]) -> dict:
    accuracies = {name: table.accuracy(cell, name) for name in nasbench201.ACCURACIES}
    best = table.columns[nasbench201.TEST].max()
    about = {"variant": variant, "seed": seed, "epoch": epoch, "operations": nasbench201.format_cell(nasbench201.number(cell))}
    return {**about, **accuracies, "rank": table.rank(cell), "regret": round(float(best - accuracies[nasbench201.TEST]), 4)}


def strengths(scale: str) -> Iterator[dict]:
    """A row for each search, step of the chain, edge, quantity and definition of true strength: tau and regret.

    Of a search that prunes, the steps before its prunes alone: what each decision rested on.

    Raises:
        InputError: as ``cells``.
    """
    plan = bench.load(scale)
    table = bench_load.table(plan)
    for name, variant in plan.variants.items():
        for seed, found in bench_load.found(scale, plan, name).items():
            for truth, values in bench_load.truths(table, found.final, variant.search["operations"]).items():
                for quantity, known in found.quantities.items():
                    taus, regrets = strength.tau(known, values), strength.regret(known, values)  # [T, E] each
                    for step, epoch in enumerate(found.epochs):
                        if found.prunes and epoch not in found.prunes:
                            continue
                        for edge in range(nasbench201.EDGES):
                            about = {"variant": name, "seed": seed, "epoch": epoch, "edge": edge}
                            numbers = {"tau": f"{taus[step, edge]:.4f}", "regret": f"{regrets[step, edge]:.4f}"}
                            yield {**about, "quantity": quantity, "truth": truth, **numbers}
