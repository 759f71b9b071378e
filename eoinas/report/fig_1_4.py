"""Figs. 1 and 4: what the searches knew about the operations of one edge, against how good each is when it stands alone.

Shapes: O operations (8).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from eoinas import files, genotype
from eoinas.report import labels, load, load_transfer, plot, rank_correlation, table
from eoinas.report.scale import announce

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

NORMAL = genotype.CELLS.index("normal")
LABELS = tuple(name.replace("_", " ").replace("3x3", "3×3").replace("5x5", "5×5") for name in genotype.OPERATIONS)
# Column of the CSV: variant of the search, array of its trace, words.
KNOWN = {
    "baseline_beta": ("baseline", "beta", "architecture weight β, baseline"),
    "eoinas_beta": ("eoinas", "beta", "architecture weight β, EoiNAS"),
    "eoinas_I": ("eoinas", "I", "indicator I, EoiNAS"),
}
ACCURACY = "stand-alone accuracy (%)"


@dataclass(frozen=True)
class Ranking:
    """All that both figures show; every list is in the order of genotype.OPERATIONS."""

    networks: load_transfer.Standalone
    known: dict[str, list[float]]  # by key of KNOWN
    chosen: int  # the operation that the final cell has there
    epochs: dict[str, int]  # of the searches' steps that were read, by key of KNOWN

    @property
    def accuracy(self) -> list[float]:
        """Percent, the mean over the runs."""
        return [100 - runs.mean for runs in self.networks.runs.values()]

    @property
    def rows(self) -> dict[str, list[float]]:
        """The rows of the heat map."""
        return {**self.known, "accuracy": self.accuracy}


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
    return {**numbers, "operations": len(genotype.OPERATIONS), "runs": next(iter(ranking.networks.runs.values())).n}


def correlations(ranking: Ranking) -> dict[str, tuple[rank_correlation.Correlation, rank_correlation.Correlation]]:
    """For each key of KNOWN Spearman's rho and Kendall's tau with the stand-alone accuracy."""
    accuracy = ranking.accuracy
    return {
        key: (rank_correlation.spearman(values, accuracy), rank_correlation.kendall(values, accuracy))
        for key, values in ranking.known.items()
    }


def ranks(values: list[float]) -> list[float]:
    """1 for the largest; equal values share the mean of their ranks."""
    from scipy.stats import rankdata

    return rankdata([-value for value in values]).tolist()


def _ranking(scale: str) -> Ranking:
    networks = load_transfer.standalone(scale)
    known, epochs = {}, {}
    for key, (variant, array, _) in KNOWN.items():
        trace = load.trace(scale, variant, load.selection(scale, variant)[0])
        step = load_transfer.before_first_prune(trace)
        known[key] = trace[array][step, NORMAL, networks.index].astype(float).tolist()
        epochs[key] = int(trace["epoch"][step])
    source, node = networks.edge
    pairs = genotype.load(f"results/{scale}/genotypes/eoinas.json").normal
    first = 2 * (node - genotype.INPUTS)
    chosen = next(name for name, other in pairs[first : first + 2] if other == source)
    return Ranking(networks, known, genotype.OPERATIONS.index(chosen), epochs)


def _records(ranking: Ranking) -> list[dict]:
    places = {key: ranks(values) for key, values in ranking.rows.items()}
    records = []
    for index, operation in enumerate(genotype.OPERATIONS):
        runs = ranking.networks.runs[operation]
        record = {"operation": operation, "in_final_cell": index == ranking.chosen}
        for key, values in ranking.known.items():
            record |= {key: f"{values[index]:.6f}", f"{key}_rank": f"{places[key][index]:g}"}
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

    figure = Figure(figsize=(16, 10.5), dpi=plot.DPI, layout="constrained")
    FigureCanvasAgg(figure)
    upper, lower = figure.subfigures(2, 1, height_ratios=(1.5, 1))
    panels = upper.subplots(1, len(KNOWN), sharey=True)
    for axes, (key, (_, _, words)) in zip(panels, KNOWN.items(), strict=True):
        _scatter(axes, ranking, key)
        axes.set_xlabel(f"{words}, epoch {ranking.epochs[key]}")
        rho, tau = found[key]
        axes.set_title(f"{rank_correlation.in_words('ρ', rho)}\n{rank_correlation.in_words('τ', tau)}")
    panels[0].set_ylabel(ACCURACY)
    runs = next(iter(ranking.networks.runs.values()))
    spread = "bars: standard deviation over the runs; " if runs.n > 1 else ""
    upper.suptitle(
        f"Fig. 1: the operation of edge {ranking.networks.edge[0]}→{ranking.networks.edge[1]} of the final normal cell "
        f"replaced ({announce(scale)})\n"
        f"{runs.n} run{'s' * (runs.n > 1)} of {runs.epochs} epochs an operation, on {runs.data}; {spread}"
        "star: in the final cell\n"
        "ρ of Spearman and τ of Kendall with 95 % intervals by Fisher's z, wide because there are only 8 operations",
        fontsize=13,
    )
    _heat_map(lower, ranking)
    lower.suptitle("Fig. 4: rank (colour) and value (number) of the operations, ordered by stand-alone accuracy", fontsize=13)
    figure.draw_without_rendering()  # the labels are put where there is room, which is known now
    figure.set_layout_engine("none")
    for axes, values in zip(panels, ranking.known.values(), strict=True):
        bars = [run.sd or 0.0 for run in ranking.networks.runs.values()]
        labels.place(axes, list(zip(values, ranking.accuracy, strict=True)), LABELS, bars)
    plot.save(figure, path)


def _scatter(axes: "Axes", ranking: Ranking, key: str) -> None:
    runs = ranking.networks.runs.values()
    for index, (x, y, run) in enumerate(zip(ranking.known[key], ranking.accuracy, runs, strict=True)):
        colour = plot.OPERATION_COLOURS[index]
        if run.sd is not None:
            axes.errorbar(x, y, run.sd, color=colour, capsize=3, linewidth=1.2, zorder=2)
        star = index == ranking.chosen
        size = 260 if star else 70
        axes.scatter([x], [y], marker="*" if star else "o", s=size, color=colour, edgecolor="white", linewidth=0.8, zorder=3)
    axes.margins(0.16, 0.12)
    axes.xaxis.get_major_locator().set_params(nbins=5)


def _heat_map(figure: "Figure | SubFigure", ranking: Ranking) -> None:
    import numpy as np
    from matplotlib import colormaps

    count = len(genotype.OPERATIONS)
    order = sorted(range(count), key=lambda index: (-ranking.accuracy[index], index))
    names = [*(words for _, _, words in KNOWN.values()), ACCURACY]
    axes = figure.subplots()
    colours = colormaps["YlGnBu_r"].resampled(count)
    places = np.array([[ranks(values)[index] for index in order] for values in ranking.rows.values()])
    image = axes.pcolormesh(places, cmap=colours, vmin=0.5, vmax=count + 0.5, edgecolors="white", linewidth=2)
    for row, (key, values) in enumerate(ranking.rows.items()):
        for column, index in enumerate(order):
            text = f"{values[index]:.2f}" if key == "accuracy" else f"{values[index]:.5f}"
            light = places[row, column] <= count / 2
            axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=11, color="white" if light else "black")
    marks = [LABELS[index] + (" ★" if index == ranking.chosen else "") for index in order]
    axes.set_xticks(np.arange(count) + 0.5, marks, fontsize=11)
    axes.set_yticks(np.arange(len(names)) + 0.5, names, fontsize=11)
    axes.invert_yaxis()
    axes.grid(False)
    bar = figure.colorbar(image, ax=axes, pad=0.01, ticks=range(1, count + 1))
    bar.set_label("rank (1: largest)")
    bar.ax.invert_yaxis()
    bar.ax.minorticks_off()
