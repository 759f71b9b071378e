"""The whole in one picture: errors of the cells over searches, and what ranks operations on NAS-Bench-201."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from eoinas import bench
from eoinas import plan as plans
from eoinas.metrics import strength
from eoinas.report import bench_questions, bench_read, estimate, findings_cells, load, plot
from eoinas.report.scale import opening

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

RANKED = {
    **{"beta": "beta", "A": "A alone", "inverse_E": "1 / E alone", "S": "S", "I": "I (A a fraction)"},
    **{"I_percent": "I (A in percent)", "l": "chain (fraction)"},
}
FEWEST = 4  # searches that have an interval worth drawing
RANK_COLOUR = "#444444"  # of all on the right: colours on the left are variants
WIDTH = 18  # letters of a label's line


def fig_findings(scale: str, path: Path | str) -> None:
    """Draw both panels.

    Raises:
        InputError: a result is missing.
    """
    plan, asked = plans.load(scale), bench.load(scale)
    plot.style()
    from matplotlib.figure import Figure

    rows = max(len(RANKED), 1.5 * len(plan.candidates))  # a label on the left has two lines and more
    figure = Figure(figsize=(10, 0.9 + 0.49 * rows), layout="constrained")
    left, right = figure.subplots(1, 2)
    searches = {name: load.over_searches(scale, name) for name in plan.candidates}
    _errors(left, plan, searches)
    _taus(right, asked, bench_read.strengths(scale))
    figure.suptitle(opening(scale), fontsize=11)
    plot.save(figure, path)


def _errors(axes: "Axes", plan: plans.Plan, searches: dict[str, load.Searches]) -> None:
    for row, (name, found) in enumerate(searches.items()):
        colour, mean = plot.colour(plan, name), estimate.mean(found.errors)
        axes.scatter(found.errors, [row + 0.2] * found.n, s=26, color=colour, alpha=0.55, linewidth=0)
        _bar(axes, row - 0.1, mean if found.n >= FEWEST else strength.Mean(mean.value, None, None), colour)
    about = next(iter(searches.values())).about
    _rows(axes, [f"{textwrap.fill(findings_cells.name(plan, name), WIDTH)}\nn {found.n}" for name, found in searches.items()])
    axes.set_xlabel(f"test error, %\n{about.data}; dot: a search, or a random cell")
    axes.set_xlim(left=max(0.0, axes.get_xlim()[0]))  # of two searches an interval is wide
    _title(
        axes,
        "Error of the cells found",
        about_bars="Student's",
        bars=any(each.n >= FEWEST for each in searches.values()),
    )


def _taus(axes: "Axes", asked: bench.Plan, strengths: "pd.DataFrame") -> None:
    for row, quantity in enumerate(RANKED):
        taus = bench_questions.by_seed(strengths, asked.masked, quantity).to_numpy()
        axes.scatter(taus, [row + 0.25] * len(taus), s=22, color=RANK_COLOUR, alpha=0.5, linewidth=0)
        _bar(axes, row - 0.1, strength.over_searches(taus), RANK_COLOUR)
    axes.axvline(0, color="0.3", linewidth=1)
    _rows(axes, list(RANKED.values()))
    n = len(asked.variants[asked.masked].searches)
    axes.set_xlabel(f"Kendall's tau with true strength\nNAS-Bench-201, n {n}, never pruned")
    _title(axes, "What ranks operations?", about_bars="bootstrap", bars=n >= strength.FEWEST)


def _title(axes: "Axes", words: str, *, about_bars: str, bars: bool) -> None:
    marks = f"diamond: mean, bar: 95 % ({about_bars})" if bars else "diamond: mean; too few for an interval"
    axes.set_title(f"{words}\n{marks}", fontsize=11)


def _bar(axes: "Axes", row: float, mean: strength.Mean, colour: str) -> None:
    if mean.low is not None and mean.high is not None:
        axes.plot([mean.low, mean.high], [row, row], color=colour, linewidth=3, solid_capstyle="butt")
    axes.scatter([mean.value], [row], marker="D", s=52, color=colour, edgecolor="white", linewidth=0.8, zorder=4)


def _rows(axes: "Axes", labels: Sequence[str]) -> None:
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
