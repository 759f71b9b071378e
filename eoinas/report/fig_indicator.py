"""How the indicator I and the Die probability of every operation move during the selected search, and which died when.

Shapes: K chain steps, C cells (2), E edges of a cell (14), O operations (8), P prunes.
"""

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from eoinas import plan as plans
from eoinas.report import load, plot
from eoinas.report.cell import Cell, title
from eoinas.report.scale import announce

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DIE = 1  # index of the state Die in the last axis of X
SHOWN = 3  # edges of a cell
WIDTH, LINES, LINE = 10.5, 4.6, 0.3  # inches: of the figure; height of a cell's lines, and of an operation in a map


def fig_indicator(scale: str, path: Path | str) -> None:
    """Draw I and the Die probability over the epochs on three edges a cell, and a map of all deaths, for the selected search.

    Raises:
        InputError: a result is missing.
    """
    plan = plans.load(scale)
    seed = load.selection(scale, plan.main)[0]
    trace = load.trace(scale, plan.main, seed)
    cells = load.selected_cells(scale, plan.main)
    shown = [chosen_edges(trace["I"][:, c], cell, plan.space) for c, cell in enumerate(cells)]

    plot.style()
    from matplotlib.figure import Figure

    lines, maps = 1.0 + LINES * len(cells), 0.5 + len(cells) * (1.0 + LINE * len(plan.space.operations))
    figure = Figure(figsize=(WIDTH, lines + maps), layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=(lines, maps))
    _lines(upper, plan.space, trace, shown)
    _map(lower, plan.space, trace)
    upper.suptitle(
        f"Indicator and chain of the selected search of {plan.variants[plan.main].label}, seed {seed}\n({announce(scale)})\n"
        "shown a cell: the edge on which the live operations' I lie furthest apart on average,\n"
        "and the two edges that the selected cell keeps into its last node\n"
        "(next furthest apart if they coincide); ×: last step of a pruned operation",
        fontsize=12,
    )
    plot.save(figure, path)


def chosen_edges(indicator: "np.ndarray", cell: Cell, space: plans.Space) -> list[int]:
    """Edges of one cell: that of the widest spread of I, then the first kept ones into the last node, no edge twice.

    Args:
        indicator: I, [K, E, O], NaN where an operation is dead.
        cell: the selected one.
    """
    order = sorted(range(len(space.edges)), key=lambda edge: (-spread(indicator[:, edge]), edge))
    last = max(node for _, _, node in cell.edges)
    into_last = [space.edge(source, node) for _, source, node in cell.edges if node == last]
    return list(dict.fromkeys([order[0], *into_last[: SHOWN - 1], *order]))[:SHOWN]


def spread(indicator: "np.ndarray") -> float:
    """Mean over the steps of the gap between the largest and the smallest I of one edge; 0 if no step has two live operations.

    Args:
        indicator: I of one edge, [K, O], NaN where an operation is dead.
    """
    import numpy as np

    contested = indicator[(~np.isnan(indicator)).sum(-1) > 1]  # [K', O]
    return float(np.mean(np.nanmax(contested, -1) - np.nanmin(contested, -1))) if len(contested) else 0.0


def _edge_name(space: plans.Space, edge: int) -> str:
    return "{}→{}".format(*space.edges[edge])


def _lines(figure: "Figure", space: plans.Space, trace: dict, shown: list[list[int]]) -> None:
    """Upper part: of each cell I in a row and the Die probability in the next one, one column an edge."""
    panels = figure.subplots(2 * len(shown), max(map(len, shown)), sharex=True, squeeze=False)
    rows = (("indicator I", trace["I"]), ("probability of Die", trace["X"][..., DIE]))
    for cell, edges in enumerate(shown):
        for half, (label, values) in enumerate(rows):
            own = panels[2 * cell + half]
            own[0].set_ylabel(label)
            for axes in own[1:]:
                axes.sharey(own[0])
                axes.tick_params(labelleft=False)
            for axes, edge in zip(own, edges, strict=False):
                dead = zip(trace["prune_epochs"], trace["pruned"][:, cell, edge], strict=True)
                _edge_lines(axes, space, trace["epoch"], values[:, cell, edge], {int(op): int(epoch) for epoch, op in dead})
        for axes, edge in zip(panels[2 * cell], edges, strict=False):
            axes.set_title(f"{title(space.cells[cell])}, edge {_edge_name(space, edge)}")
    for axes in panels[-1]:
        axes.set_xlabel("epoch")
    labels = [operation.label for operation in space.operations.values()]
    handles = panels[0, 0].get_lines()[: len(labels)]
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 4), frameon=False)


def _edge_lines(axes: "Axes", space: plans.Space, epochs: "np.ndarray", values: "np.ndarray", deaths: dict[int, int]) -> None:
    """One panel: values [K, O] of one edge; ``deaths`` maps an operation to the epoch after which it was pruned."""
    from matplotlib.ticker import MaxNLocator

    colours = [operation.colour for operation in space.operations.values()]
    for op, colour in enumerate(colours):
        axes.plot(epochs, values[:, op], color=colour, linewidth=1.6)
    for op, epoch in deaths.items():
        end = values[epochs == epoch, op]
        # A white rim, so that the end is seen where lines cross.
        for colour, size, width in (("white", 9, 4.5), (colours[op], 8, 2.5)):
            axes.plot([epoch] * len(end), end, marker="x", color=colour, markersize=size, markeredgewidth=width, zorder=4)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))


def _map(figure: "Figure", space: plans.Space, trace: dict) -> None:
    """Lower part: for each cell a map operation x edge, coloured by the epoch after which the operation died there."""
    import numpy as np
    from matplotlib import colormaps
    from matplotlib.colors import BoundaryNorm

    died = np.full(trace["alive_final"].shape, np.nan)  # [C, E, O]
    for epoch, dead in zip(trace["prune_epochs"], trace["pruned"], strict=True):
        np.put_along_axis(died, dead[..., None], epoch, -1)
    panels = figure.subplots(len(space.cells), 1, squeeze=False)[:, 0]
    ends = [int(epoch) for epoch in trace["prune_epochs"]]
    colours = colormaps["viridis"]
    norm = BoundaryNorm(_between(ends), colours.N)
    for cell, axes in enumerate(panels):
        image = axes.pcolormesh(died[cell].T, cmap=colours, norm=norm, edgecolors="white", linewidth=1.2)
        for edge, op in np.argwhere(trace["alive_final"][cell]):
            axes.scatter(edge + 0.5, op + 0.5, marker="*", s=130, color="#d7301f", linewidth=0)
        edges, labels = range(len(space.edges)), [operation.label for operation in space.operations.values()]
        axes.set_xticks(np.arange(len(edges)) + 0.5, [_edge_name(space, edge) for edge in edges], fontsize=10)
        axes.set_yticks(np.arange(len(labels)) + 0.5, labels, fontsize=10)
        axes.set_title(title(space.cells[cell]))
        axes.invert_yaxis()
        axes.grid(False)
    panels[-1].set_xlabel("edge (input node → node)")
    if ends:
        bar = figure.colorbar(image, ax=panels, pad=0.01, ticks=ends, spacing="uniform")
        bar.set_label("pruned after epoch")
        bar.ax.minorticks_off()
    figure.suptitle("When each operation was pruned from each edge (star: alive at the end)", fontsize=13)


def _between(ends: list[int]) -> list[float]:
    """Bounds of one colour a prune epoch: half-way to the neighbours."""
    if len(ends) < 2:
        return [end + half for end in ends for half in (-0.5, 0.5)] or [0, 1]
    middles = [(a + b) / 2 for a, b in pairwise(ends)]
    return [2 * ends[0] - middles[0], *middles, 2 * ends[-1] - middles[-1]]
