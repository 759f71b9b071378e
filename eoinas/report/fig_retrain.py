"""How the test errors of the trained networks spread: over training runs of an entry, and over the searches of a variant."""

from pathlib import Path
from typing import TYPE_CHECKING

from eoinas import plan as plans
from eoinas.report import load, plot, table
from eoinas.report.scale import announce

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROW, FRAME = 0.8, 0.7  # inches of a row, and of a panel's title and axis
APART = 0.13  # of two searches with nearly one error, in rows
BOXES = 5  # runs that have quartiles


def fig_retrain(scale: str, path: Path | str) -> None:
    """Draw one panel a data set, one row an entry, and below them one row a variant with a dot a search.

    Raises:
        InputError: a result is missing.
    """
    plot.style()
    from matplotlib.figure import Figure

    plan = plans.load(scale)
    entries = {data: networks for data, networks in plan.entries.items() if networks}
    counts = [*(len(networks) for networks in entries.values()), len(plan.candidates)]
    figure = Figure(figsize=(11, 2.3 + ROW * sum(counts) + FRAME * len(counts)), layout="constrained")
    panels = figure.subplots(len(counts), 1, height_ratios=[count + 0.6 for count in counts], squeeze=False)[:, 0]
    for axes, (data, networks) in zip(panels, entries.items(), strict=False):
        _entries(axes, scale, plan, data, networks)
    _searches(panels[-1], plan, {candidate: load.over_searches(scale, candidate) for candidate in plan.candidates})
    each = plan.per_seed.runs
    marks = f"{', box: quartiles' * (len(plan.runs) >= BOXES)}{', diamond: mean' * (len(plan.runs) > 1)}"
    figure.suptitle(
        f"Test errors of the networks trained from scratch ({announce(scale)})\n"
        f"entries: dot: a training run{marks}\n"
        f"over searches: dot: a search, the mean of {each} run{'s' * (each > 1)} of its cell; ring: the selected one; "
        "diamond and bar: mean ± sd",
        fontsize=13,
    )
    plot.save(figure, path)


def _entries(axes: "Axes", scale: str, plan: plans.Plan, data: str, networks: dict[str, plans.Entry]) -> None:
    """One data set: a row an entry."""
    import seaborn

    runs = {key: load.runs(scale, data, key) for key in networks}
    labels = {key: f"{table.name(plan, entry)}\n{key}, n = {runs[key].n}" for key, entry in networks.items()}
    errors = [error for key in networks for error in runs[key].errors]
    rows = [labels[key] for key in networks for _ in runs[key].errors]
    palette = {labels[key]: plot.colour(plan, entry.genotype) for key, entry in networks.items()}
    shared = {"x": errors, "y": rows, "hue": rows, "palette": palette, "legend": False, "ax": axes}
    several = any(run.n > 1 for run in runs.values())
    if all(run.n >= BOXES for run in runs.values()):
        seaborn.boxplot(**shared, width=0.55, fill=False, linewidth=1.2, showfliers=False)
    seaborn.swarmplot(**shared, size=5 if several else 8, alpha=0.75)
    if several:
        _diamonds(axes, [run.mean for run in runs.values()])
    axes.set_ylim(len(networks) - 0.4, -0.6)
    images = " and ".join(dict.fromkeys(run.data for run in runs.values()))
    axes.set_title(f"{plan.datasets[data].title} entries, trained and tested on {images}")
    axes.set(xlabel="test error after the last epoch (%)", ylabel="")


def _searches(axes: "Axes", plan: plans.Plan, found: dict[str, load.Searches]) -> None:
    """A row a variant: a dot the cell of a search, a line one standard deviation to both sides of their mean."""
    for row, (candidate, searches) in enumerate(found.items()):
        colour, heights = plot.colour(plan, candidate), offsets(row, searches.errors, _near(found))
        axes.scatter(searches.errors, heights, s=42, color=colour, alpha=0.85, zorder=3)
        chosen = list(searches.by_seed).index(searches.selected)
        ring = {"s": 130, "facecolor": "none", "edgecolor": "black", "linewidth": 1.3, "zorder": 4}
        axes.scatter([searches.errors[chosen]], [heights[chosen]], **ring)
        if searches.sd is not None:
            axes.errorbar(searches.mean, row + 0.3, xerr=searches.sd, color=colour, capsize=4, linewidth=1.6, zorder=2)
    _diamonds(axes, [searches.mean for searches in found.values()], 0.3)
    labels = [
        f"{table.label(plan, candidate)}\n{table.count_text(candidate, searches.n)}" for candidate, searches in found.items()
    ]
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.grid(False, axis="y")
    title, images = plan.datasets[plan.searched_on].title, next(iter(found.values())).about.data
    axes.set_title(f"Over searches, {title}: the cell of every seed, trained and tested on {images}")
    axes.set(xlabel="test error after the last epoch (%)", ylabel="")


def offsets(row: int, errors: tuple[float, ...], near: float) -> list[float]:
    """Heights of a row's dots: those nearer to each other than ``near`` percent stand one above the other."""
    taken: list[tuple[float, int]] = []
    heights = []
    for error in errors:
        step = next(
            step for step in (0, -1, 1, -2, 2, *range(3, 99)) if all(abs(error - e) >= near or s != step for e, s in taken)
        )
        taken.append((error, step))
        heights.append(row + APART * step)
    return heights


def _near(found: dict[str, load.Searches]) -> float:
    """The width of a dot in percent."""
    errors = [error for searches in found.values() for error in searches.errors]
    return 0.012 * (max(errors) - min(errors))


def _diamonds(axes: "Axes", means: list[float], below: float = 0.0) -> None:
    rows = [row + below for row in range(len(means))]
    axes.scatter(means, rows, marker="D", s=46, color="white", edgecolor="black", linewidth=1.3, zorder=5)
