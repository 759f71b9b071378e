"""Figs. 1 and 4: what the searches knew about the operations of one edge, against how good each is when it stands alone.

Shapes: O stand-alone operations (8).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from eoinas import files
from eoinas import plan as plans
from eoinas.report import labels, load, load_transfer, plot, rank_correlation, table
from eoinas.report.scale import announce

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

# Variant of the search by its role in the plan, array of its trace, words.
KNOWN = (
    ("plain", "beta", "architecture weight β"),
    ("main", "beta", "architecture weight β"),
    ("main", "I", "indicator I"),
)
ACCURACY = "stand-alone accuracy (%)"


@dataclass(frozen=True)
class Known:
    """What a search knew of the operations after one of its steps."""

    words: str
    values: list[float]
    epoch: int


@dataclass(frozen=True)
class Ranking:
    """All that both figures show; every list is in the order of ``operations``."""

    cell: str  # in words
    operations: dict[str, plans.Operation]
    networks: load_transfer.Standalone
    known: dict[str, Known]  # by column of the CSV
    chosen: str | None  # the operation that the final cell has there, if it is one of them

    @property
    def accuracy(self) -> list[float]:
        """Percent, the mean over the runs."""
        return [100 - runs.mean for runs in self.networks.runs.values()]

    @property
    def rows(self) -> dict[str, list[float]]:
        """The rows of the heat map."""
        return {**{key: known.values for key, known in self.known.items()}, "accuracy": self.accuracy}

    @property
    def labels(self) -> list[str]:
        """The operations in words."""
        return [operation.label for operation in self.operations.values()]


def fig_1_4(scale: str, path: Path | str) -> dict:
    """Draw both figures to ``path`` and write their numbers, one row an operation, to a CSV of the same name.

    Returns:
        The rank correlations and their intervals, for ``dvc metrics show``.

    Raises:
        InputError: a result is missing.
    """
    ranking = _ranking(scale)
    found = correlations(ranking)
    files.write_text(Path(path).with_suffix(".csv"), table.csv_text(_records(ranking)))
    _draw(scale, path, ranking, found)
    numbers = {key: _metrics(*pair) for key, pair in found.items()}
    return {**numbers, "operations": len(ranking.operations), "runs": next(iter(ranking.networks.runs.values())).n}


def correlations(ranking: Ranking) -> dict[str, tuple[rank_correlation.Correlation, rank_correlation.Correlation]]:
    """For each column Spearman's rho and Kendall's tau with the stand-alone accuracy."""
    accuracy = ranking.accuracy
    return {
        key: (rank_correlation.spearman(known.values, accuracy), rank_correlation.kendall(known.values, accuracy))
        for key, known in ranking.known.items()
    }


def ranks(values: list[float]) -> list[float]:
    """1 for the largest; equal values share the mean of their ranks."""
    from scipy.stats import rankdata

    return rankdata([-value for value in values]).tolist()


def _ranking(scale: str) -> Ranking:
    plan, networks = plans.load(scale), load_transfer.standalone(scale)
    operations = {name: plan.space.operations[name] for name in networks.runs}
    place = {name: index for index, name in enumerate(plan.space.operations)}
    known = {}
    for role, array, symbol in KNOWN:
        variant = getattr(plan, role)
        trace = load.trace(scale, variant, load.selection(scale, variant)[0])
        step = load_transfer.before_first_prune(trace)
        values = trace[array][step, 0, networks.index].astype(float)  # of the first cell, which the networks are about
        words = f"{symbol}, {plan.variants[variant].label}"
        known[f"{variant}_{array}"] = Known(words, [values[place[name]].item() for name in operations], int(trace["epoch"][step]))
    cell = load.selected_cells(scale, plan.main)[0]
    chosen = [operation for operation, *edge in cell.edges if tuple(edge) == networks.edge and operation in operations]
    return Ranking(cell.title, operations, networks, known, next(iter(chosen), None))


def _records(ranking: Ranking) -> list[dict]:
    places = {key: ranks(values) for key, values in ranking.rows.items()}
    records = []
    for index, operation in enumerate(ranking.operations):
        runs = ranking.networks.runs[operation]
        record = {"operation": operation, "in_final_cell": operation == ranking.chosen}
        for key, known in ranking.known.items():
            record |= {key: f"{known.values[index]:.6f}", f"{key}_rank": f"{places[key][index]:g}"}
        spread = None if runs.sd is None else f"{runs.sd:.4f}"
        accuracy = {"accuracy": f"{100 - runs.mean:.4f}", "accuracy_sd": spread, "n": runs.n, "images": runs.data}
        records.append({**record, **accuracy, "accuracy_rank": f"{places['accuracy'][index]:g}"})
    return records


def _metrics(rho: rank_correlation.Correlation, tau: rank_correlation.Correlation) -> dict:
    numbers = {}
    for name, found in (("spearman", rho), ("kendall", tau)):
        values = {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
        numbers |= {key: round(value, 4) for key, value in values.items() if value is not None}
    return numbers


def _draw(scale: str, path: Path | str, ranking: Ranking, found: dict) -> None:
    plot.style()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11.5, 10), dpi=plot.DPI, layout="constrained")
    FigureCanvasAgg(figure)
    upper, lower = figure.subfigures(2, 1, height_ratios=(1.5, 1))
    panels = upper.subplots(1, len(ranking.known), sharey=True, squeeze=False)[0]
    for axes, (key, known) in zip(panels, ranking.known.items(), strict=True):
        _scatter(axes, ranking, known)
        axes.set_xlabel(f"{known.words}, epoch {known.epoch}".replace(", ", "\n", 1))
        rho, tau = found[key]
        axes.set_title(f"{rank_correlation.in_words('ρ', rho)}\n{rank_correlation.in_words('τ', tau)}")
    panels[0].set_ylabel(ACCURACY)
    runs = next(iter(ranking.networks.runs.values()))
    length = table.epochs_text(plans.load(scale), "standalone", runs.epochs)
    spread = "bars: standard deviation over the runs; " if runs.n > 1 else ""
    upper.suptitle(
        f"Fig. 1: the operation of edge {ranking.networks.edge[0]}→{ranking.networks.edge[1]} of the final {ranking.cell} "
        f"replaced\n{announce(scale)}\n"
        f"{runs.n} run{'s' * (runs.n > 1)} of {length} an operation, on {runs.data}; {spread}"
        "star: in the final cell\n"
        "ρ of Spearman and τ of Kendall with 95 % intervals by Fisher's z, wide because there are only "
        f"{len(ranking.operations)} operations",
        fontsize=12,
    )
    _heat_map(lower, ranking)
    lower.suptitle("Fig. 4: rank (colour) and value (number) of the operations, ordered by stand-alone accuracy", fontsize=13)
    figure.draw_without_rendering()  # the labels are put where there is room, which is known now
    figure.set_layout_engine("none")
    for axes, known in zip(panels, ranking.known.values(), strict=True):
        bars = [run.sd or 0.0 for run in ranking.networks.runs.values()]
        labels.place(axes, list(zip(known.values, ranking.accuracy, strict=True)), ranking.labels, bars)
    plot.save(figure, path)


def _scatter(axes: "Axes", ranking: Ranking, known: Known) -> None:
    runs = ranking.networks.runs
    for (operation, run), x, y in zip(runs.items(), known.values, ranking.accuracy, strict=True):
        colour = ranking.operations[operation].colour
        if run.sd is not None:
            axes.errorbar(x, y, run.sd, color=colour, capsize=3, linewidth=1.2, zorder=2)
        star = operation == ranking.chosen
        size = 260 if star else 70
        axes.scatter([x], [y], marker="*" if star else "o", s=size, color=colour, edgecolor="white", linewidth=0.8, zorder=3)
    axes.margins(0.16, 0.12)
    axes.xaxis.get_major_locator().set_params(nbins=5)


def _heat_map(figure: "Figure | SubFigure", ranking: Ranking) -> None:
    import numpy as np
    from matplotlib import colormaps

    count, operations = len(ranking.operations), list(ranking.operations)
    order = sorted(range(count), key=lambda index: (-ranking.accuracy[index], index))
    names = [*(known.words.replace(", ", "\n", 1) for known in ranking.known.values()), ACCURACY]
    axes = figure.subplots()
    colours = colormaps["YlGnBu_r"].resampled(count)
    places = np.array([[ranks(values)[index] for index in order] for values in ranking.rows.values()])
    image = axes.pcolormesh(places, cmap=colours, vmin=0.5, vmax=count + 0.5, edgecolors="white", linewidth=2)
    for row, (key, values) in enumerate(ranking.rows.items()):
        for column, index in enumerate(order):
            text = f"{values[index]:.2f}" if key == "accuracy" else f"{values[index]:.5f}"
            light = places[row, column] <= count / 2
            axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=11, color="white" if light else "black")
    marks = [ranking.labels[index] + " ★" * (operations[index] == ranking.chosen) for index in order]
    axes.set_xticks(np.arange(count) + 0.5, [mark.replace(" ", "\n", 1) for mark in marks], fontsize=11)
    axes.set_yticks(np.arange(len(names)) + 0.5, names, fontsize=11)
    axes.invert_yaxis()
    axes.grid(False)
    bar = figure.colorbar(image, ax=axes, pad=0.01, ticks=range(1, count + 1))
    bar.set_label("rank (1: largest)")
    bar.ax.invert_yaxis()
    bar.ax.minorticks_off()
