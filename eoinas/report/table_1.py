"""Table I: test errors on CIFAR-10 and CIFAR-100 (Sec. IV-C), the paper's rows as quoted and this project's as measured."""

from dataclasses import dataclass

from eoinas import params
from eoinas.report import load, reference, table

DATA = ("cifar10", "cifar100")
COLUMNS = (
    *("Source", "Type", "Architecture", "GPUs", "Days (search)", "Params (million)", "MAdds (million)"),
    *("C10 error (%)", "C100 error (%)", "Search method"),
)


@dataclass(frozen=True)
class _Network:
    """An entry with what was measured on each data set that has it; ``cost`` is None if no search found the network."""

    key: str
    entry: params.Entry
    runs: dict[str, load.Runs]
    complexity: dict[str, load.Complexity]
    cost: load.Cost | None


def table_1(scale: str) -> table.Table:
    """All rows of the paper, then one row an entry of params.yaml.

    Raises:
        InputError: a result is missing.
    """
    networks = _networks(scale)
    quoted = [_quoted(row) for row in reference.TABLE_1]
    measured = [_cells(scale, network) for network in networks]
    remarks = [
        reference.ERROR,
        reference.MADDS,
        "Params and MAdds of a measured row are those of its C10 network if it has one, without auxiliary head; k: thousand.",
        "Days of a measured row are those of one search, the mean over its seeds, on the device named.",
        reference.GDAS_COST,
        reference.RANDOM,
    ]
    markdown = "\n".join(
        [
            table.heading(scale, "I", "classification errors on CIFAR-10 and CIFAR-100"),
            table.banner(scale, [runs for network in networks for runs in network.runs.values()]),
            table.grid(COLUMNS, quoted + measured),
            table.notes(remarks),
        ]
    )
    records = [_quoted_record(row) for row in reference.TABLE_1] + [_record(scale, network) for network in networks]
    return table.Table(markdown, table.csv_text(records), _metrics(networks))


def _networks(scale: str) -> list[_Network]:
    """Entries in the order of params.yaml; an entry of both data sets is one network only if it is the same in both."""
    found: dict[tuple, _Network] = {}
    for data, entries in params.top().entries.cifar.items():
        for key, entry in entries.items():
            identity = (key, entry.genotype, entry.cutout)
            if identity not in found:
                cost = load.cost(scale, entry.genotype) if entry.genotype in load.SEARCHED else None
                found[identity] = _Network(key, entry, {}, {}, cost)
            found[identity].runs[data] = load.runs(scale, data, key)
            found[identity].complexity[data] = load.complexity(scale, data, key)
    return list(found.values())


def _size(network: _Network) -> load.Complexity:
    return network.complexity.get("cifar10") or network.complexity["cifar100"]


def _quoted(row: reference.Cifar) -> list[str]:
    return [
        *("quoted", row.kind, row.architecture, row.gpus, row.days, row.params, reference.NONE),
        *(row.c10, row.c100, row.method),
    ]


def _cells(scale: str, network: _Network) -> list[str]:
    size = _size(network)
    errors = [table.error_text(network.runs[data]) if data in network.runs else reference.NONE for data in DATA]
    return [
        *(table.measured_mark(scale), "NAS", table.name_cell(network.entry, network.key), reference.NONE),
        *(table.days_text(network.cost), table.million(size.params), table.million(size.multiply_adds), *errors),
        table.METHODS.get(network.entry.genotype, table.GIVEN),
    ]


def _quoted_record(row: reference.Cifar) -> dict:
    given = {
        "gpus": row.gpus,
        "days": row.days,
        "params_million": row.params,
        "cifar10_error": row.c10,
        "cifar100_error": row.c100,
    }
    values = {key: None if value == reference.NONE else value for key, value in given.items()}
    head = {"source": "quoted", "type": row.kind, "architecture": row.architecture, "method": row.method}
    return {**_blank(), **head, **values}


def _record(scale: str, network: _Network) -> dict:
    size = _size(network)
    record = {
        **_blank(),
        "source": "measured",
        "scale": scale,
        "type": "NAS",
        "entry": network.key,
        "architecture": table.name(network.entry),
        "method": table.METHODS.get(network.entry.genotype, "none"),
        "params_million": size.params / 1e6,
        "madds_million": size.multiply_adds / 1e6,
    }
    if network.cost is not None:
        record |= {"days": f"{network.cost.days:.3f}", "device": network.cost.device}
    for data, runs in network.runs.items():
        spread = None if runs.sd is None else f"{runs.sd:.2f}"
        record |= {f"{data}_error": f"{runs.mean:.2f}", f"{data}_sd": spread, f"{data}_n": runs.n, f"{data}_images": runs.data}
    return record


def _blank() -> dict:
    columns = [
        "source",
        "scale",
        "entry",
        "type",
        "architecture",
        "method",
        "gpus",
        "days",
        "device",
        "params_million",
        "madds_million",
    ]
    return dict.fromkeys([*columns, *(f"{data}_{field}" for data in DATA for field in ("error", "sd", "n", "images"))])


def _metrics(networks: list[_Network]) -> dict:
    return {
        data: {n.key: table.error_metrics(n.runs[data], n.complexity[data]) for n in networks if data in n.runs} for data in DATA
    }
