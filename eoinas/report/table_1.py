"""Table I: test errors on CIFAR-10 and CIFAR-100 (Sec. IV-C), the paper's rows as quoted and this project's as measured."""

from dataclasses import dataclass

from eoinas import plan as plans
from eoinas.report import load, reference, same_cells, table

COLUMNS = ("Source", "Type", "Architecture", "GPUs", "Days (search)", "Params (million)", "MAdds (million)")
QUOTED = {"cifar10": "c10", "cifar100": "c100"}  # data set -> field of a quoted row; other data sets have none


@dataclass(frozen=True)
class _Network:
    """An entry with what was measured on each data set that has it; ``cost`` is None if no search found the network."""

    key: str
    entry: plans.Entry
    runs: dict[str, load.Runs]
    complexity: dict[str, load.Complexity]
    cost: load.Cost | None


def table_1(scale: str) -> table.Table:
    """All rows of the paper, then one row an entry of params.yaml; a column of errors for each data set.

    Raises:
        InputError: a result is missing.
    """
    plan = plans.load(scale)
    networks = _networks(scale, plan)
    titles = [data.title for data in plan.datasets.values()]
    columns = (*COLUMNS, *(f"{title} error (%)" for title in titles), "Search method")
    remarks = [
        reference.ERROR,
        reference.MADDS,
        f"Params and MAdds of a measured row are those of its network for {plan.datasets[plan.searched_on].title} if it has one, "
        "without auxiliary head; k: thousand.",
        f"Days of a measured row are those of one search, {table.DAYS}, on the device named.",
        *same_cells.of_entries(scale, {(data, n.key): n.entry for n in networks for data in n.runs}),
        reference.GDAS_COST,
        reference.RANDOM,
    ]
    rows = [*(_quoted(plan, row) for row in reference.TABLE_1), *(_cells(scale, plan, n) for n in networks)]
    markdown = "\n".join(
        [
            table.heading(scale, "I", f"classification errors on {same_cells.joined(titles)}"),
            table.banner(scale, [runs for network in networks for runs in network.runs.values()], "retrain"),
            table.grid(columns, rows),
            table.notes(remarks),
        ]
    )
    records = [*(_quoted_record(plan, row) for row in reference.TABLE_1), *(_record(scale, plan, n) for n in networks)]
    return table.Table(markdown, table.csv_text(records, _columns(plan)), _metrics(plan, networks))


def _networks(scale: str, plan: plans.Plan) -> list[_Network]:
    """Entries in the order of params.yaml; an entry of several data sets is one network only if it is the same in all."""
    found: dict[tuple, _Network] = {}
    for data, entries in plan.entries.items():
        for key, entry in entries.items():
            identity = (key, entry.genotype, entry.cutout)
            if identity not in found:
                found[identity] = _Network(key, entry, {}, {}, load.cost(scale, entry.genotype))
            found[identity].runs[data] = load.runs(scale, data, key)
            found[identity].complexity[data] = load.complexity(scale, data, key)
    return list(found.values())


def _size(plan: plans.Plan, network: _Network) -> load.Complexity:
    sizes = network.complexity
    return sizes[plan.searched_on] if plan.searched_on in sizes else next(iter(sizes.values()))


def _quoted_error(data: str, row: reference.Cifar) -> str:
    return getattr(row, QUOTED[data]) if data in QUOTED else reference.NONE


def _quoted(plan: plans.Plan, row: reference.Cifar) -> list[str]:
    head = ("quoted", row.kind, row.architecture, row.gpus, row.days, row.params, reference.NONE)
    return [*head, *(_quoted_error(data, row) for data in plan.datasets), row.method]


def _cells(scale: str, plan: plans.Plan, network: _Network) -> list[str]:
    size = _size(plan, network)
    errors = [
        table.error_text(network.runs[data], about.title) if data in network.runs else reference.NONE
        for data, about in plan.datasets.items()
    ]
    return [
        *(table.measured_mark(scale), "NAS", table.name_cell(plan, network.entry, network.key), reference.NONE),
        *(table.days_text(network.cost), table.million(size.params), table.million(size.multiply_adds), *errors),
        table.method(plan, network.entry.genotype) or table.GIVEN,
    ]


def _quoted_record(plan: plans.Plan, row: reference.Cifar) -> dict:
    errors = {f"{data}_error": _quoted_error(data, row) for data in plan.datasets}
    given = {"gpus": row.gpus, "days": row.days, "params_million": row.params, **errors}
    values = {key: None if value == reference.NONE else value for key, value in given.items()}
    head = {"source": "quoted", "type": row.kind, "architecture": row.architecture, "method": row.method}
    return {**head, **values}


def _record(scale: str, plan: plans.Plan, network: _Network) -> dict:
    size = _size(plan, network)
    record = {
        "source": "measured",
        "scale": scale,
        "type": "NAS",
        "entry": network.key,
        "architecture": table.name(plan, network.entry),
        "method": table.method(plan, network.entry.genotype) or "none",
        "params_million": size.params / 1e6,
        "madds_million": size.multiply_adds / 1e6,
    }
    if network.cost is not None:
        record |= {"days": f"{network.cost.days:.2f}", "device": network.cost.device}
    for data, runs in network.runs.items():
        spread = None if runs.sd is None else f"{runs.sd:.2f}"
        record |= {f"{data}_error": f"{runs.mean:.2f}", f"{data}_sd": spread, f"{data}_n": runs.n, f"{data}_images": runs.data}
    return record


def _columns(plan: plans.Plan) -> list[str]:
    head = ("source", "scale", "entry", "type", "architecture", "method", "gpus", "days", "device")
    errors = [f"{data}_{field}" for data in plan.datasets for field in ("error", "sd", "n", "images")]
    return [*head, "params_million", "madds_million", *errors]


def _metrics(plan: plans.Plan, networks: list[_Network]) -> dict:
    return {
        data: {n.key: table.error_metrics(n.runs[data], n.complexity[data]) for n in networks if data in n.runs}
        for data in plan.datasets
    }
