"""Fig. 4 of the paper over all edges and searches: how well what a search knows ranks operations, epoch by epoch."""

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from eoinas import bench, files
from eoinas.data import nasbench201
from eoinas.metrics import strength
from eoinas.report import bench_read, plot, table
from eoinas.report.scale import opening

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

COLOURS = {
    **{"beta": "#7f7f7f", "A": "#d9822b", "inverse_E": "#8c6d31", "S": "#17b8dc", "I": "#1f6fb4", "l": "#101040"},
    **{"S_percent": "#f7b6d2", "I_percent": "#c20a29"},
}
DASHES = {
    **{"beta": "--", "A": "-", "inverse_E": (0, (1, 1)), "S": (0, (3, 1.5)), "I": "-", "l": (0, (7, 2, 1.5, 2))},
    **{"I_percent": (0, (9, 2))},
}
MEASURES = {"tau": "Kendall's tau:\nhigher is better", "regret": "points of accuracy lost by its choice:\nlower is better"}
SAME = "S_percent"  # ranks as S does
WORDS = bench.QUANTITIES | {"S": "S, eq. (9), the same in percent", "I": "I, eq. (10), A as a fraction"}
BANDS = ("beta", "I", "I_percent")  # the others have lines alone


def fig_bench_tau(scale: str, path: Path | str) -> None:
    """Draw tau and regret, a row a definition of true strength, on supernets without prunes; numbers to a CSV of that name.

    Raises:
        InputError: a result is missing.
    """
    plan = bench.load(scale)
    whole = bench_read.strengths(scale)
    telling = bench_read.telling(bench_read.final(bench_read.cells(scale), plan.masked))
    parts = bench_read.by_truth(whole[whole["variant"] == plan.masked], telling)
    searches = len(plan.variants[plan.masked].searches)
    rows = {truth: f"true strength:\n{textwrap.fill(words, 24)}" for truth, words in bench.TRUTHS.items() if truth != "replaced"}
    edges = f"{len(telling)} of {nasbench201.EDGES * searches} edges"
    rows[bench_read.TELLING] = f"true strength: the search's own\ncell with the operation, on the\n{edges} that change it"
    plot.style()
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, ScalarFormatter

    figure = Figure(figsize=(10, 11), layout="constrained")
    panels = figure.subplots(len(rows), len(MEASURES), sharex=True)
    records = []
    for row, (truth, words) in enumerate(rows.items()):
        for column, (measure, name) in enumerate(MEASURES.items()):
            records += _panel(panels[row, column], parts[truth], truth, measure)
            panels[0, column].set_title(name)
            panels[-1, column].set_xlabel("epoch of the search")
        panels[row, 0].axhline(0, color="0.3", linewidth=1)
        panels[row, 0].set_ylabel(words, fontsize=11)
        panels[row, 1].set_ylim(bottom=0)
    panels[-1, 1].set_yscale("log")  # 1 / E loses ten times as much as the others
    panels[-1, 1].yaxis.set_major_formatter(ScalarFormatter())
    panels[-1, 1].autoscale(axis="y")
    panels[-1, 1].set_ylabel("logarithmic", fontsize=10)
    for axes in panels[1:, 0]:
        axes.sharey(panels[0, 0])
    panels[0, 0].autoscale()
    panels[0, 0].xaxis.set_major_locator(MaxNLocator(6, integer=True))
    drawn = [WORDS[quantity] for quantity in bench.QUANTITIES if quantity != SAME]
    figure.legend(
        panels[0, 0].get_lines()[: len(drawn)], drawn, loc="outside lower center", ncols=2, frameon=False, handlelength=3.5
    )
    variant = plan.variants[plan.masked]
    bands = "; bands: 95 %" if searches >= strength.FEWEST else ""
    figure.suptitle(
        "NAS-Bench-201: what ranks the operations of an edge as their true strength does?\n"
        f"{opening(scale)}; searched on {plan.images}\n"
        f"supernets of {searches} searches {variant.label}, mean over edges{bands}",
        fontsize=12,
    )
    files.write_text(Path(path).with_suffix(".csv"), table.csv_text(records))
    plot.save(figure, path)


def _panel(axes: "Axes", found: "pd.DataFrame", truth: str, measure: str) -> Iterator[dict]:
    """Lines of all quantities; the rows of the CSV."""
    for quantity in bench.QUANTITIES:
        colour = COLOURS[quantity]
        steps = found[found["quantity"] == quantity].groupby("epoch")
        means = {epoch: bench_read.summary(part, measure) for epoch, part in steps}
        if quantity != SAME:
            width = 2.2 if quantity in BANDS else 1.5
            line = [mean.value for mean in means.values()]
            axes.plot(
                list(means),
                line,
                linestyle=DASHES[quantity],
                color=colour,
                linewidth=width,
                zorder=3 if quantity == "beta" else 2,
            )
        if quantity in BANDS and all(mean.low is not None for mean in means.values()):
            low, high = zip(*((mean.low, mean.high) for mean in means.values()), strict=True)
            axes.fill_between(list(means), low, high, color=colour, alpha=0.18, linewidth=0)
        for epoch, mean in means.items():
            yield {"truth": truth, "quantity": quantity, "measure": measure, "epoch": epoch, **bench_read.fields(mean)}
