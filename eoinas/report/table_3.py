"""Table III: what the two parts of the method do on CIFAR-10 (Sec. IV-E), quoted and measured, with tests of the differences.

The first part has the paper's form, one selected cell a variant; the second one, ``over_searches``, has the cell of every search.
"""

from dataclasses import dataclass
from itertools import combinations

from eoinas import plan as plans
from eoinas.report import load, over_searches, reference, same_cells, table, welch

RANDOM_SELECTED = {  # by how the cells of searches are selected (A12)
    "supernet": "the best by a short training of each, while a search's cell is selected by its supernet",
    "retrain": "the best by a short training of each, as the cells of searches",
}
COLUMNS = ("Source", "Architecture", "SSS", "OII", "Days (search)", "Params (million)", "Error (%)")
CSV = (
    *("source", "part", "scale", "entry", "seed", "cutout", "architecture", "sss", "oii", "days", "device"),
    *("params_million", "error", "sd", "n", "images"),
)


@dataclass(frozen=True)
class _Network:
    """A network that was trained; ``cost`` is None if no search found it."""

    entry: plans.Entry
    runs: load.Runs
    size: load.Complexity
    cost: load.Cost | None


def table_3(scale: str) -> table.Table:
    """The paper's three rows and one row an entry of the data set of the search; then one row a variant, over its searches.

    Raises:
        InputError: a result is missing.
    """
    plan = plans.load(scale)
    networks = {key: _network(scale, plan.searched_on, key, entry) for key, entry in plan.entries[plan.searched_on].items()}
    tests = welch.welch({key: network.runs.errors for key, network in networks.items()}, _alike(networks))
    second = over_searches.part(scale)
    markdown = "\n".join([*_selected(scale, plan, networks, tests), second.markdown])
    records = [_quoted_record(row) for row in reference.TABLE_3]
    records += [_record(scale, plan, key, network) for key, network in networks.items()]
    sizes = {key: table.error_metrics(network.runs, network.size) for key, network in networks.items()}
    metrics = {plan.searched_on: sizes, "welch": welch.metrics(tests), **second.metrics}
    return table.Table(markdown, table.csv_text(records + second.records, CSV), metrics)


def _network(scale: str, data: str, key: str, entry: plans.Entry) -> _Network:
    return _Network(entry, load.runs(scale, data, key), load.complexity(scale, data, key), load.cost(scale, entry.genotype))


def _alike(networks: dict[str, _Network]) -> list[tuple[str, str]]:
    """Pairs of networks that were trained in the same way, so that the cell alone differs."""
    return [pair for pair in combinations(networks, 2) if len({networks[key].entry.cutout for key in pair}) == 1]


def _selected(scale: str, plan: plans.Plan, networks: dict[str, _Network], tests: list[dict]) -> list[str]:
    """The first part as Markdown."""
    title = plan.datasets[plan.searched_on].title
    quoted = [
        ["quoted", row.architecture, table.mark(row.sss), table.mark(row.oii), row.days, row.params, row.error]
        for row in reference.TABLE_3
    ]
    measured = [_row(scale, plan, key, network) for key, network in networks.items()]
    controls = sorted({v.indicator for v in plan.variants.values() if v.indicator not in table.OII})
    remarks = [
        "SSS: search space slimming by the Markov chain. OII: operation importance indicator.",
        *(f"{name} in the column OII: a control, which ranks the operations in its place." for name in controls),
        "The quoted rows are of CIFAR-10.",
        reference.ERROR,
        f"Days of a measured row are those of one search, {table.DAYS}, on the device named; k: thousand.",
        f"Random architectures were run, not quoted: cells drawn at random, {RANDOM_SELECTED[plan.selected_by]}; trained alike.",
        *same_cells.of_entries(scale, {(plan.searched_on, key): network.entry for key, network in networks.items()}),
        reference.RANDOM,
        reference.GDAS_ABLATION,
    ]
    return [
        table.heading(scale, "III", f"the two parts of the method on {title}"),
        table.banner(scale, [network.runs for network in networks.values()], "retrain"),
        table.grid(COLUMNS, quoted + measured),
        table.notes(remarks),
        "## Do the errors of the selected cells differ by more than chance?\n",
        *([_about(scale, tests)] if welch.testable(tests) else []),
        welch.markdown(tests),
    ]


def _about(scale: str, tests: list[dict]) -> str:
    alike = "training runs, for the pairs that were trained alike"
    return (
        f"{welch.about(tests, alike)} Each row above is one selected network, so the test compares these networks and not the "
        f"search methods as such.{table.caution(scale)}\n"
    )


def _row(scale: str, plan: plans.Plan, key: str, network: _Network) -> list[str]:
    column = plan.datasets[plan.searched_on].title
    return [
        *(table.measured_mark(scale), table.name_cell(plan, network.entry, key), *table.marks(plan, network.entry.genotype)),
        *(table.days_text(network.cost), table.million(network.size.params), table.error_text(network.runs, column)),
    ]


def _quoted_record(row: reference.Ablation) -> dict:
    values = {"days": row.days, "params_million": row.params, "error": row.error}
    head = {"source": "quoted", "part": "selected cell", "architecture": row.architecture, "sss": row.sss, "oii": row.oii}
    return {**head, **values}


def _record(scale: str, plan: plans.Plan, key: str, network: _Network) -> dict:
    cost, runs, (sss, oii) = network.cost, network.runs, table.parts(plan, network.entry.genotype)
    head = {"source": "measured", "part": "selected cell", "scale": scale, "entry": key, "cutout": network.entry.cutout}
    record = {**head, "architecture": table.name(plan, network.entry), "sss": sss, "oii": oii}
    if cost is not None:
        record |= {"days": f"{cost.days:.2f}", "device": cost.device}
    return record | {"params_million": network.size.params / 1e6, **table.error_record(runs), "images": runs.data}
