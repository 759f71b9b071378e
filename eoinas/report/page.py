"""The page reports/SCALE/README.md: what was run, the selected seeds, tables, figures and facts beside them."""

from pathlib import Path

from eoinas import params
from eoinas.errors import InputError
from eoinas.report import load, reference, table
from eoinas.report.scale import announce, is_paper

# File: title and caption; each caption follows "Measured (scale):".
FIGURES = {
    "fig_5_9.png": (
        "Figs. 5 and 9: the selected cells",
        "the normal and reduction cells that the selected searches of the variants ended in.",
    ),
    "fig_7_8.png": (
        "Figs. 7 and 8: convergence of the searches",
        "train accuracy and loss by epoch, on the left what SSS changes, on the right what OII changes. Lines are means over the "
        "search seeds, bands one standard deviation, dotted lines epochs after which operations were pruned. "
        "The numbers are in [fig_7_8.csv](fig_7_8.csv).",
    ),
    "fig_indicator.png": (
        "The indicator and the chain during the selected search",
        "I of eq. (10) and the probability of the state Die of every operation on three edges a cell, and below, "
        "for all 28 edges, the epoch after which each operation was pruned.",
    ),
    "fig_retrain.png": (
        "Test errors run by run",
        "every training run is a dot; n is written beside the name.",
    ),
}
FACTS = (
    f"Convention. {reference.ERROR}",
    f"Convention. {reference.MADDS}",
    f"Quoted. {reference.RANDOM} The rows named random in the tables were run by this project.",
    f"Quoted. {reference.GDAS_COST}",
    f"Quoted. {reference.GDAS_ABLATION}",
)
SCORED = {"supernet": "with the weights of its supernet", "retrain": "after a short training"}


def page(scale: str) -> str:
    """The page as Markdown; pictures and numbers are linked by paths relative to reports/SCALE.

    Raises:
        InputError: a result, table or figure is missing.
    """
    folder = Path("reports", scale)
    top = params.top()
    runs = {(data, key): load.runs(scale, data, key) for data, networks in top.entries.cifar.items() for key in networks}
    parts = [
        f"# Results of EoiNAS, {announce(scale)}\n",
        _banner(scale, runs),
        "## What was run (measured)\n",
        table.notes(_counts(scale, top, runs)),
        "## Selected seeds (measured)\n",
        _selected(scale),
        _inlined(folder / "table_1.md"),
        _inlined(folder / "table_3.md"),
        *(_figure(scale, name) for name in FIGURES),
        "## Facts to read beside the numbers\n",
        table.notes(FACTS),
    ]
    return "\n".join(parts)


def _banner(scale: str, runs: dict[tuple[str, str], load.Runs]) -> str:
    images = ", ".join(
        f"{data}: {run.data}, {run.classes} classes" for data, run in {key[0]: r for key, r in runs.items()}.items()
    )
    meaning = (
        "The settings are the paper's."
        if is_paper(scale)
        else f"**{announce(scale).capitalize()}.** No measured number on this page may be held against one of the paper."
    )
    return f"> {meaning} Images in place of each data set: {images}.\n>\n> Every part says whether it is measured or quoted.\n"


def _counts(scale: str, top: params.Top, runs: dict[tuple[str, str], load.Runs]) -> list[str]:
    histories = load.histories(scale, load.SEARCHED)
    seeds, prunes = top.search_seeds, len(load.prune_epochs(scale, "eoinas", top.search_seeds[0]))
    costs = {variant: table.days_text(load.cost(scale, variant)) for variant in load.SEARCHED}
    lengths = ", ".join(str(epochs) for epochs in dict.fromkeys(run.epochs for run in runs.values()))
    return [
        f"{len(load.SEARCHED) * len(seeds)} searches: {len(load.SEARCHED)} variants, {len(seeds)} seeds each, "
        f"{histories['epoch'].max()} epochs, {prunes} prunes where the search space is slimmed; lambda {top.lambda_:g}.",
        f"Days of one search: {', '.join(f'{variant} {days}' for variant, days in costs.items())}.",
        f"{sum(run.n for run in runs.values())} training runs: {len(runs)} networks, {len(top.runs)} runs each, "
        f"{lengths} epochs.",
    ]


def _selected(scale: str) -> str:
    rows, ways = [], {}
    for variant, label in table.NAMES.items():
        seed, scores, by = load.selection(scale, variant)
        others = ", ".join(f"{key}: {100 * score:.2f}" for key, score in scores.items())
        rows.append([label, str(seed), f"**{100 * scores[str(seed)]:.2f}**", others])
        ways[SCORED.get(by, by)] = None
    columns = ("Variant", "Selected seed", "Its score (%)", "Scores of all seeds (%)")
    return f"Score: validation accuracy of the derived network {' or '.join(ways)}.\n\n{table.grid(columns, rows)}"


def _inlined(path: Path) -> str:
    """A written table, its headings one level down."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    return "".join(f"#{line}" if line.startswith("#") else line for line in lines)


def _figure(scale: str, name: str) -> str:
    path = Path("reports", scale, name)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    title, caption = FIGURES[name]
    return f"## {title}\n\n![{title}]({name})\n\nMeasured ({announce(scale)}): {caption}\n"
