"""Cells as text and as pictures (Figs. 5 and 9), with as many inputs, nodes and edges as they have."""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from eoinas.plan import Operation
from eoinas.report import ink, layout, plot
from eoinas.report.cell import Cell

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Operations = Mapping[str, Operation]
# Lengths in inches, type in points: one unit of the drawing is one inch.
NODE_WIDTH, NODE_HEIGHT = 0.40, 0.30
LABEL_HEIGHT, LABEL_SIDE = 0.19, 0.06  # of a label, and free to the left and right of its letters
LABEL_FONT, HEADING_FONT = 7.5, 10.0
LANE = 0.06  # height kept free for an edge that passes a column
GAP = 0.10
BEFORE_LABEL, AFTER_LABEL = 0.40, 0.26  # room in which edges bend
SPREAD = 0.10  # between the arrow heads of one node
MARGIN, HEADING, FOOT = 0.22, 0.30, 0.16
FONT = {"font.family": "DejaVu Sans", "mathtext.fontset": "dejavusans"}
CONCAT = "#9a9a9a"
NO_WEIGHTS = "dashed outline: no weights at stride 1"
# By zlib.crc32 of a name's first word: sep_conv_3x3 and sep_conv_5x5 share a colour, and so does sep_conv_7x7 elsewhere.
PALETTE = (
    *("#b03060", "#6a3d9a", "#8c564b", "#2166ac", "#7a6a00", "#3f51b5", "#00695c"),
    *("#c05a11", "#2e7d32", "#a0522d", "#455a64", "#6b6b6b", "#00838f", "#333333"),
)


def operations(names: Iterable[str], weights: Iterable[str] = ()) -> dict[str, Operation]:
    """Labels and colours of operations where no params.yaml gives them; equal names have equal colours everywhere.

    Args:
        weights: the names of those that have any.
    """
    trained = set(weights)
    return {
        name: Operation(label=name.replace("_", " "), colour=_default_colour(name), weights=name in trained)
        for name in dict.fromkeys(names)
    }


def _default_colour(name: str) -> str:
    return PALETTE[zlib.crc32(name.split("_")[0].encode()) % len(PALETTE)]


def node_name(cell: Cell, node: int) -> str:
    """c_{k-2} and c_{k-1} for two input nodes, c_{k} for the output, else the node's number in the genotype."""
    if node < cell.inputs:
        return f"c_{{k-{cell.inputs - node}}}"
    return "c_{k}" if node == cell.output else str(node)


def as_text(cells: Sequence[Cell]) -> str:
    """All cells in words, one line a node; ends in a newline."""
    lines = []
    for cell in cells:
        lines.append(cell.title)
        for node in sorted({node for _, _, node in cell.edges}):
            terms = [f"{operation}({node_name(cell, source)})" for operation, source, target in cell.edges if target == node]
            name = node_name(cell, node)
            lines.append(f"  {name if '{' in name else f'node {name}'} = {' + '.join(terms)}")
        if cell.concat is not None:
            lines.append(f"  c_{{k}} = concat({', '.join(node_name(cell, node) for node in cell.concat)})")
    return "\n".join(lines) + "\n"


def draw(cells: Sequence[Cell], path: Path | str, title: str, known: Operations) -> None:
    """Draw the cells one above the other, as a PNG whose bytes depend on the arguments alone.

    Args:
        known: the operations by name.
    """
    panels = [_Panel(_heading(title, cell), cell, known) for cell in cells]
    _save([[panel] for panel in panels], path)


def draw_many(genotypes: Mapping[str, Sequence[Cell]], path: Path | str, known: Operations) -> None:
    """Draw a row a cell, titled with its genotype's key (Figs. 5 and 9); ``known`` as in ``draw``."""
    _save([[_Panel(_heading(title, cell), cell, known)] for title, cells in genotypes.items() for cell in cells], path)


def _heading(title: str, cell: Cell) -> str:
    return f"{title}: {cell.title}" if title else cell.title


@dataclass(frozen=True)
class _Edge:
    """From a node through the given parts to a node; ``label`` is the one of them that carries the name of its operation."""

    source: int
    target: int
    operation: Operation | None
    through: tuple[int, ...]
    label: int | None


class _Panel:
    """One cell, laid out: positions in inches from the panel's lower left corner."""

    def __init__(self, heading: str, cell: Cell, known: Operations) -> None:
        self.heading, self.cell, self.known = heading, cell, known
        column = _columns(cell)
        entering = [target for _, _, target in cell.edges] + [cell.output] * len(cell.concat or ())
        tall = {node: max(NODE_HEIGHT, SPREAD * (entering.count(node) + 1)) for node in column}
        self.parts = [layout.Part(column[node], tall[node]) for node in range(cell.output + 1)]
        self.edges = [self._edge(source, target, operation) for operation, source, target in cell.edges]
        self.edges += [self._edge(node, cell.output, None) for node in cell.concat or ()]
        chains = [(edge.source, *edge.through, edge.target) for edge in self.edges]
        segments = [pair for chain in chains for pair in pairwise(chain)]
        centres = layout.heights(self.parts, segments, GAP)
        tops = [y + part.height / 2 for y, part in zip(centres, self.parts, strict=True)]
        bottoms = [y - part.height / 2 for y, part in zip(centres, self.parts, strict=True)]
        self.y = [y - min(bottoms) for y in centres]
        self.height = max(tops) - min(bottoms)
        self.label_width = max(_width(operation.label, LABEL_FONT) for operation in known.values()) + 2 * LABEL_SIDE
        self.x, self.half = _across(column[cell.output], self.label_width)
        self.width = max(self.x[-1] + self.half[-1], _width(heading, HEADING_FONT, "bold"))

    @property
    def dashed(self) -> bool:
        """Whether an operation without weights is drawn."""
        return any(edge.operation is not None and not edge.operation.weights for edge in self.edges)

    def _edge(self, source: int, target: int, operation: str | None) -> _Edge:
        first, last = self.parts[source].column + 1, self.parts[target].column
        through = tuple(range(len(self.parts), len(self.parts) + last - first))
        self.parts += [layout.Part(column, LANE) for column in range(first, last)]
        if operation is None:
            return _Edge(source, target, None, through, None)
        self.parts[-1] = layout.Part(last - 1, LABEL_HEIGHT)  # the name stands right before the node that it leads to
        return _Edge(source, target, self.known[operation], through, through[-1])

    def draw(self, axes: "Axes", left: float, bottom: float) -> None:
        """Draw with the panel's lower left corner at (left, bottom)."""
        axes.text(left, bottom + self.height + 0.14, self.heading, fontsize=HEADING_FONT, fontweight="bold", parse_math=False)
        ends = self._ends()
        for index, edge in enumerate(self.edges):
            self._draw_edge(axes, edge, ends[index], left, bottom)
        for node in range(self.cell.output + 1):
            x, y = left + self.x[self.parts[node].column], bottom + self.y[node]
            fill = "#ffffff" if self.cell.inputs <= node < self.cell.output else "#fff6d5"
            _box(axes, x, y, NODE_WIDTH, self.parts[node].height, fill, "#333333", 0.08)
            name = node_name(self.cell, node)
            axes.text(x, y, f"${name}$" if "{" in name else name, fontsize=9, ha="center", va="center_baseline", zorder=4)

    def _ends(self) -> list[float]:
        """The height at which each edge meets its target: in the order in which the edges come, so that they do not cross."""
        ends = [0.0] * len(self.edges)
        for node in range(self.cell.inputs, self.cell.output + 1):
            into = [index for index, edge in enumerate(self.edges) if edge.target == node]
            into.sort(key=lambda index: self.y[(self.edges[index].source, *self.edges[index].through)[-1]])
            for place, index in enumerate(into):
                ends[index] = self.y[node] + SPREAD * (place - (len(into) - 1) / 2)
        return ends

    def _draw_edge(self, axes: "Axes", edge: _Edge, end: float, left: float, bottom: float) -> None:
        from matplotlib.patches import PathPatch, Polygon
        from matplotlib.path import Path as Curve

        line = CONCAT if edge.operation is None else ink.letters(edge.operation.colour)
        column = self.parts[edge.source].column
        x, y = self.x[column] + self.half[column], self.y[edge.source]
        points, codes = [(x, y)], [Curve.MOVETO]
        for part in (*edge.through, edge.target):
            column = self.parts[part].column
            to_x, to_y = self.x[column] - self.half[column], end if part == edge.target else self.y[part]
            middle = (x + to_x) / 2
            points += [(middle, y), (middle, to_y), (to_x, to_y)]
            codes += [Curve.CURVE4] * 3
            if part != edge.target:
                x, y = self.x[column] + self.half[column], to_y
                points.append((x, y))
                codes.append(Curve.LINETO)
        points = [(left + px, bottom + py) for px, py in points]
        tip_x, tip_y = points[-1]
        axes.add_patch(PathPatch(Curve(points, codes), fill=False, edgecolor=line, linewidth=1.1, zorder=1))
        head = [(tip_x, tip_y), (tip_x - 0.09, tip_y + 0.035), (tip_x - 0.09, tip_y - 0.035)]
        axes.add_patch(Polygon(head, closed=True, facecolor=line, edgecolor="none", zorder=2))
        if edge.label is not None:
            x, y = left + self.x[self.parts[edge.label].column], bottom + self.y[edge.label]
            dashes = "-" if edge.operation.weights else (0, (2.5, 1.5))
            _box(axes, x, y, self.label_width, LABEL_HEIGHT, ink.fill(edge.operation.colour), line, 0.05, dashes)
            text = edge.operation.label
            axes.text(x, y, text, fontsize=LABEL_FONT, ha="center", va="center_baseline", color=line, zorder=4, parse_math=False)


def _columns(cell: Cell) -> dict[int, int]:
    """Column of each node: nodes in even ones, as far left as their inputs allow, and labels in the odd ones between."""
    column = dict.fromkeys(range(cell.inputs), 0)
    for node in sorted({target for _, _, target in cell.edges}):
        column[node] = 2 + max(column[source] for _, source, target in cell.edges if target == node)
    if cell.concat is not None:
        column[cell.output] = max(column.values()) + 1
    return column


def _across(last: int, label_width: float) -> tuple[list[float], list[float]]:
    """Centre and half width of the columns 0..last."""
    centres, halves, right = [], [], 0.0
    for column in range(last + 1):
        label = column % 2 == 1 and column != last
        half = (label_width if label else NODE_WIDTH) / 2
        before = 0.0 if column == 0 else BEFORE_LABEL if label or column == last else AFTER_LABEL
        centres.append(right + before + half)
        halves.append(half)
        right += before + 2 * half
    return centres, halves


@cache
def _width(text: str, size: float, weight: str = "normal") -> float:
    """Of letters of so many points, in inches."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    path = TextPath((0, 0), text, size=size, prop=FontProperties(family="DejaVu Sans", weight=weight), usetex=False)
    return path.get_extents().width / 72 if len(path.vertices) else 0.0


def _box(
    axes: "Axes",
    x: float,
    y: float,
    width: float,
    height: float,
    fill: str,
    line: str,
    rounding: float,
    dashes: str | tuple = "-",
) -> None:
    from matplotlib.patches import FancyBboxPatch

    corner = (x - width / 2, y - height / 2)
    style = f"round,pad=0,rounding_size={rounding}"
    shared = {"facecolor": fill, "edgecolor": line, "linewidth": 0.9, "linestyle": dashes, "zorder": 3}
    axes.add_patch(FancyBboxPatch(corner, width, height, style, **shared))


def _save(rows: list[list[_Panel]], path: Path | str) -> None:
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    foot = FOOT if any(panel.dashed for row in rows for panel in row) else 0.0
    widths = [max(row[place].width for row in rows) for place in range(len(rows[0]))]
    tall = [max(panel.height for panel in row) + HEADING for row in rows]
    width = sum(widths) + 2 * MARGIN * len(widths)
    height = sum(tall) + 2 * MARGIN * len(tall) + foot
    with matplotlib.rc_context(FONT):
        figure = Figure(figsize=(width, height), facecolor="white")
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height))
        axes.set_axis_off()
        top = height
        for row, room in zip(rows, tall, strict=True):
            left = MARGIN
            for place, panel in enumerate(row):
                panel.draw(axes, left, top - MARGIN - room + (room - HEADING - panel.height))
                left += widths[place] + 2 * MARGIN
            top -= room + 2 * MARGIN
        if foot:
            axes.text(MARGIN, MARGIN, NO_WEIGHTS, fontsize=LABEL_FONT, color="0.35", va="bottom")
        plot.save(figure, path)
