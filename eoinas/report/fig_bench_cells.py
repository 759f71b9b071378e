"""What the cells that searches on NAS-Bench-201 ended in are worth, beside random cells."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from eoinas import bench
from eoinas.data import nasbench201
from eoinas.report import bench_read, plot, table_bench
from eoinas.report.scale import announce

if TYPE_CHECKING:
    from matplotlib.axes import Axes

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
WORDS = "← better        cells that are better than the one found, % of all 15,625 (logit scale)"
TICKS = (0.0001, 0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999)


def fig_bench_cells(scale: str, path: Path | str) -> None:
    """Draw a row a variant and a dot a search: the share of all cells that are better than the one found.

    Raises:
        InputError: a result is missing.
    """
    plan = bench.load(scale)
    truth = nasbench201.load(plan.table, plan.sha256)
    frame = bench_read.cells(scale)
    names = [*plan.variants, bench.MASKED]
    plot.style()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 2.6 + 0.42 * (len(names) + 2)), layout="constrained")
    axes = figure.subplots()
    rows = {name: bench_read.final(frame, name)["rank"].to_numpy() for name in names}
    for place, (name, ranks) in enumerate(rows.items()):
        _dots(axes, place, _share(ranks), "#1f6fb4" if name != bench.MASKED else "#d9822b")
    for offset, draws in enumerate((1, 4)):
        _box(axes, len(rows) + offset, _share(np.array(bench_read.rank_quantiles(truth, draws, QUANTILES))))
    labels = [f"{table_bench.label(plan, name).replace('`', '')} (n {len(ranks)})" for name, ranks in rows.items()]
    labels += ["one random cell", "best of 4 random cells"]
    axes.set_yticks(range(len(labels)), labels)
    axes.invert_yaxis()
    (all_3x3,) = _share(np.array([truth.rank(table_bench.ALL_3X3)]))
    axes.axvline(all_3x3, color="0.35", linestyle=":", linewidth=1.3)
    axes.annotate(
        "3×3 convolutions alone", (all_3x3, 1.0), xycoords=("data", "axes fraction"), rotation=0, fontsize=10, va="bottom"
    )
    edge = 0.4 / nasbench201.CELLS
    axes.set(xscale="logit", xlim=(edge, 1 - edge), xlabel=WORDS)
    axes.axvline(0.5, color=plot.RANDOM, linestyle="--", linewidth=1.2, zorder=0)
    axes.set_xticks(TICKS, [f"{100 * tick:g}" for tick in TICKS])
    axes.minorticks_off()
    axes.grid(axis="y", visible=False)
    figure.suptitle(
        f"NAS-Bench-201, searched on {plan.images}: the cells found, by CIFAR-10 test accuracy\n"
        f"{announce(scale)}; a dot: a search, a bar: their median\n"
        "green: random cells by themselves, thin 5 to 95 %, thick 25 to 75 %; dashed: their median",
        fontsize=12,
    )
    plot.save(figure, path)


def _share(ranks: np.ndarray) -> np.ndarray:
    """Of better cells; the best and the worst cell count half, for the scale of the axis."""
    return (ranks - 0.5) / nasbench201.CELLS


def _dots(axes: "Axes", place: int, shares: np.ndarray, colour: str) -> None:
    shift = np.linspace(-0.18, 0.18, len(shares)) if len(shares) > 1 else np.zeros(1)
    axes.plot(shares, place + shift, "o", color=colour, markersize=5.5, alpha=0.75, markeredgewidth=0)
    axes.plot([np.median(shares)] * 2, [place - 0.32, place + 0.32], color=colour, linewidth=2.5)


def _box(axes: "Axes", place: int, quantiles: np.ndarray) -> None:
    low, first, median, third, high = quantiles
    axes.plot([low, high], [place] * 2, color=plot.RANDOM, linewidth=1.3)
    axes.plot([first, third], [place] * 2, color=plot.RANDOM, linewidth=7, solid_capstyle="butt", alpha=0.5)
    axes.plot([median] * 2, [place - 0.32, place + 0.32], color=plot.RANDOM, linewidth=2.5)
