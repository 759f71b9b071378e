"""Table II: errors on ImageNet of the networks that were searched on CIFAR-10 (Sec. IV-D), quoted and measured."""

from dataclasses import dataclass

from eoinas import plan as plans
from eoinas.report import load, load_transfer, reference, same_cells, table

COLUMNS = (
    *("Source", "Type", "Architecture", "GPUs", "Days (search)", "Params (million)", "MAdds (million)"),
    *("Top-1 error (%)", "Top-5 error (%)", "Search method"),
)
CSV = (
    *("source", "scale", "entry", "type", "architecture", "method", "gpus", "days", "device"),
    *("params_million", "madds_million", "top1_error", "top5_error", "n", "images"),
)


@dataclass(frozen=True)
class _Network:
    """An entry with what was measured; ``cost`` is None if no search found the network."""

    key: str
    entry: plans.Entry
    top1: load.Runs
    top5: load.Runs
    size: load.Complexity
    cost: load.Cost | None


def table_2(scale: str) -> table.Table:
    """All rows of the paper, then one row an entry of params.yaml.

    Raises:
        InputError: a result is missing.
    """
    plan = plans.load(scale)
    networks = [_network(scale, key, entry) for key, entry in plan.imagenet.items()]
    remarks = [
        "A measured error is the share of validation images that are wrong after the last epoch, of a single training run "
        "(n = 1). The best epoch is not used.",
        reference.MADDS,
        "Params and MAdds of a measured row are those of its network with the image size and the number of classes "
        "named above, without auxiliary head; k: thousand.",
        f"Days of a measured row are those of one search on {plan.datasets[plan.searched_on].title}, {table.DAYS}, on "
        "the device named.",
        *same_cells.of_entries(scale, {("imagenet", key): entry for key, entry in plan.imagenet.items()}),
        reference.GDAS_COST,
    ]
    markdown = "\n".join(
        [
            table.heading(scale, "II", "the searched networks on ImageNet"),
            table.banner(scale, [network.top1 for network in networks], "imagenet", "validation images"),
            table.grid(COLUMNS, [_quoted(row) for row in reference.TABLE_2] + [_cells(scale, plan, n) for n in networks]),
            table.notes(remarks),
        ]
    )
    records = [_quoted_record(row) for row in reference.TABLE_2] + [_record(scale, plan, n) for n in networks]
    return table.Table(markdown, table.csv_text(records, CSV), {"imagenet": {n.key: _metrics(n) for n in networks}})


def _network(scale: str, key: str, entry: plans.Entry) -> _Network:
    size, cost = load.complexity(scale, "imagenet", key), load.cost(scale, entry.genotype)
    return _Network(key, entry, *load_transfer.imagenet(scale, key), size, cost)


def _quoted(row: reference.ImageNet) -> list[str]:
    return [
        *("quoted", row.kind, row.architecture, row.gpus, row.days, row.params, row.madds),
        *(row.top1, row.top5, row.method),
    ]


def _cells(scale: str, plan: plans.Plan, network: _Network) -> list[str]:
    size = network.size
    return [
        *(table.measured_mark(scale), "NAS", table.name_cell(plan, network.entry, network.key), reference.NONE),
        *(table.days_text(network.cost), table.million(size.params), table.million(size.multiply_adds)),
        *(table.error_text(network.top1), table.error_text(network.top5)),
        table.method(plan, network.entry.genotype) or table.GIVEN,
    ]


def _quoted_record(row: reference.ImageNet) -> dict:
    given = {
        "gpus": row.gpus,
        "days": row.days,
        "params_million": row.params,
        "madds_million": row.madds,
        "top1_error": row.top1,
        "top5_error": row.top5,
    }
    values = {key: None if value == reference.NONE else value for key, value in given.items()}
    head = {"source": "quoted", "type": row.kind, "architecture": row.architecture, "method": row.method}
    return {**head, **values}


def _record(scale: str, plan: plans.Plan, network: _Network) -> dict:
    record = {
        "source": "measured",
        "scale": scale,
        "type": "NAS",
        "entry": network.key,
        "architecture": table.name(plan, network.entry),
        "method": table.method(plan, network.entry.genotype) or "none",
        "params_million": network.size.params / 1e6,
        "madds_million": network.size.multiply_adds / 1e6,
        "top1_error": f"{network.top1.mean:.2f}",
        "top5_error": f"{network.top5.mean:.2f}",
        "n": network.top1.n,
        "images": network.top1.data,
    }
    if network.cost is not None:
        record |= {"days": f"{network.cost.days:.2f}", "device": network.cost.device}
    return record


def _metrics(network: _Network) -> dict:
    return {
        "top1_error": round(network.top1.mean, 4),
        "top5_error": round(network.top5.mean, 4),
        "n": network.top1.n,
        "params_million": network.size.params / 1e6,
        "madds_million": network.size.multiply_adds / 1e6,
    }
