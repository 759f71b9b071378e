"""Cells as text and as pictures (Figs. 5 and 9)."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from eoinas.genotype import INPUTS, NODES, Genotype
from eoinas.report import layout, plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OUTPUT = INPUTS + NODES
# Lengths in inches, type in points: one unit of the drawing is one inch.
NODE_WIDTH, NODE_HEIGHT = 0.40, 0.30
LABEL_WIDTH, LABEL_HEIGHT = 0.86, 0.19
LANE = 0.06  # height kept free for an edge that passes a column
GAP = 0.10
BEFORE_LABEL, AFTER_LABEL = 0.40, 0.26  # room in which edges bend
SPREAD = 0.10  # between the arrow heads of one node
MARGIN, HEADING = 0.22, 0.30
LETTER = 0.10  # width of a heading's letter, on the safe side
# Fill and line by kind of operation.
COLOURS = {
    "skip": ("#ececec", "#6b6b6b"),
    "sep": ("#dbe9f6", "#2166ac"),
    "dil": ("#fde3cf", "#c05a11"),
    "avg": ("#dff0dc", "#2e7d32"),
    "max": ("#e9e0f3", "#6a3d9a"),
    "concat": ("#ffffff", "#9a9a9a"),
}


def node_name(node: int) -> str:
    """c_{k-2} and c_{k-1} for the input nodes, c_{k} for the output, else the node's number in the genotype."""
    return {0: "c_{k-2}", 1: "c_{k-1}", OUTPUT: "c_{k}"}.get(node, str(node))


def as_text(genotype: Genotype) -> str:
    """Both cells in words, one line a node; ends in a newline."""
    lines = []
    for name, edges, concat in _cells(genotype):
        lines.append(f"{name} cell")
        for first in range(0, len(edges), 2):
            terms = " + ".join(f"{operation}({node_name(source)})" for operation, source in edges[first : first + 2])
            lines.append(f"  node {INPUTS + first // 2} = {terms}")
        lines.append(f"  {node_name(OUTPUT)} = concat({', '.join(node_name(node) for node in concat)})")
    return "\n".join(lines) + "\n"


def draw(genotype: Genotype, path: Path | str, title: str) -> None:
    """Draw the normal cell above the reduction cell, as a PNG whose bytes depend on the arguments alone."""
    panels = [_Panel(_heading(title, f"{name} cell"), edges, concat) for name, edges, concat in _cells(genotype)]
    _save([[panel] for panel in panels], path)


def draw_many(genotypes: dict[str, Genotype], path: Path | str) -> None:
    """Draw one row a genotype, titled with its key: normal cell on the left, reduction cell on the right (Figs. 5 and 9)."""
    rows = [
        [_Panel(_heading(title, f"{name} cell"), edges, concat) for name, edges, concat in _cells(genotype)]
        for title, genotype in genotypes.items()
    ]
    _save(rows, path)


def _cells(genotype: Genotype) -> list[tuple[str, tuple[tuple[str, int], ...], tuple[int, ...]]]:
    return [("normal", genotype.normal, genotype.normal_concat), ("reduction", genotype.reduce, genotype.reduce_concat)]


def _heading(title: str, cell: str) -> str:
    return f"{title}: {cell}" if title else cell


@dataclass(frozen=True)
class _Edge:
    """From a node through the given parts to a node; ``label`` is the one of them that carries the operation's name."""

    source: int
    target: int
    kind: str
    text: str
    through: tuple[int, ...]
    label: int | None


class _Panel:
    """One cell, laid out: positions in inches from the panel's lower left corner."""

    def __init__(self, heading: str, edges: tuple[tuple[str, int], ...], concat: tuple[int, ...]) -> None:
        self.heading = heading
        column = _columns(edges)
        entering = dict.fromkeys(range(INPUTS, OUTPUT), 2) | {OUTPUT: len(concat)}
        tall = {node: max(NODE_HEIGHT, SPREAD * (entering.get(node, 0) + 1)) for node in column}
        self.parts = [layout.Part(column[node], tall[node]) for node in range(OUTPUT + 1)]
        self.edges = [self._edge(source, INPUTS + index // 2, operation) for index, (operation, source) in enumerate(edges)]
        self.edges += [self._edge(node, OUTPUT, None) for node in concat]
        chains = [(edge.source, *edge.through, edge.target) for edge in self.edges]
        segments = [pair for chain in chains for pair in pairwise(chain)]
        centres = layout.heights(self.parts, segments, GAP)
        tops = [y + part.height / 2 for y, part in zip(centres, self.parts, strict=True)]
        bottoms = [y - part.height / 2 for y, part in zip(centres, self.parts, strict=True)]
        self.y = [y - min(bottoms) for y in centres]
        self.height = max(tops) - min(bottoms)
        self.x, self.half = _across(column[OUTPUT])
        self.width = max(self.x[-1] + self.half[-1], LETTER * len(heading))

    def _edge(self, source: int, target: int, operation: str | None) -> _Edge:
        first, last = self.parts[source].column + 1, self.parts[target].column
        through = tuple(range(len(self.parts), len(self.parts) + last - first))
        self.parts += [layout.Part(column, LANE) for column in range(first, last)]
        if operation is None:
            return _Edge(source, target, "concat", "", through, None)
        self.parts[-1] = layout.Part(last - 1, LABEL_HEIGHT)  # the name stands right before the node that it leads to
        return _Edge(source, target, operation.split("_")[0], operation, through, through[-1])

    def draw(self, axes: "Axes", left: float, bottom: float) -> None:
        """Draw with the panel's lower left corner at (left, bottom)."""
        axes.text(left, bottom + self.height + 0.14, self.heading, fontsize=10, fontweight="bold", parse_math=False)
        ends = self._ends()
        for index, edge in enumerate(self.edges):
            self._draw_edge(axes, edge, ends[index], left, bottom)
        for node in range(OUTPUT + 1):
            x, y = left + self.x[self.parts[node].column], bottom + self.y[node]
            fill = "#ffffff" if INPUTS <= node < OUTPUT else "#fff6d5"
            _box(axes, x, y, NODE_WIDTH, self.parts[node].height, fill, "#333333", 0.08)
            name = node_name(node)
            axes.text(x, y, f"${name}$" if "{" in name else name, fontsize=9, ha="center", va="center_baseline", zorder=4)

    def _ends(self) -> list[float]:
        """The height at which each edge meets its target: in the order in which the edges come, so that they do not cross."""
        ends = [0.0] * len(self.edges)
        for node in range(INPUTS, OUTPUT + 1):
            into = [index for index, edge in enumerate(self.edges) if edge.target == node]
            into.sort(key=lambda index: self.y[(self.edges[index].source, *self.edges[index].through)[-1]])
            for place, index in enumerate(into):
                ends[index] = self.y[node] + SPREAD * (place - (len(into) - 1) / 2)
        return ends

    def _draw_edge(self, axes: "Axes", edge: _Edge, end: float, left: float, bottom: float) -> None:
        from matplotlib.patches import PathPatch, Polygon
        from matplotlib.path import Path as Curve

        fill, line = COLOURS[edge.kind]
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
            _box(axes, x, y, LABEL_WIDTH, LABEL_HEIGHT, fill, line, 0.05)
            axes.text(x, y, edge.text, fontsize=7.5, ha="center", va="center_baseline", color=line, zorder=4)


def _columns(edges: tuple[tuple[str, int], ...]) -> dict[int, int]:
    """Column of each node: nodes in even ones, as far left as their inputs allow, and labels in the odd ones between."""
    column = dict.fromkeys(range(INPUTS), 0)
    for node in range(INPUTS, OUTPUT):
        first = 2 * (node - INPUTS)
        column[node] = 2 + max(column[source] for _, source in edges[first : first + 2])
    column[OUTPUT] = max(column.values()) + 1
    return column


def _across(last: int) -> tuple[list[float], list[float]]:
    """Centre and half width of the columns 0..last."""
    centres, halves, right = [], [], 0.0
    for column in range(last + 1):
        label = column % 2 == 1 and column != last
        half = (LABEL_WIDTH if label else NODE_WIDTH) / 2
        before = 0.0 if column == 0 else BEFORE_LABEL if label or column == last else AFTER_LABEL
        centres.append(right + before + half)
        halves.append(half)
        right += before + 2 * half
    return centres, halves


def _box(axes: "Axes", x: float, y: float, width: float, height: float, fill: str, line: str, rounding: float) -> None:
    from matplotlib.patches import FancyBboxPatch

    corner = (x - width / 2, y - height / 2)
    style = f"round,pad=0,rounding_size={rounding}"
    box = FancyBboxPatch(corner, width, height, style, facecolor=fill, edgecolor=line, linewidth=0.9, zorder=3)
    axes.add_patch(box)


def _save(rows: list[list[_Panel]], path: Path | str) -> None:
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    widths = [max(row[place].width for row in rows) for place in range(len(rows[0]))]
    tall = [max(panel.height for panel in row) + HEADING for row in rows]
    width = sum(widths) + 2 * MARGIN * len(widths)
    height = sum(tall) + 2 * MARGIN * len(tall)
    with matplotlib.rc_context({"font.family": "DejaVu Sans", "mathtext.fontset": "dejavusans"}):
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
        plot.save(figure, path)
