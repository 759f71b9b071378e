"""Names beside the points of a scatter plot, put where they cover neither another name nor a point."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.transforms import Bbox

# Where a name may stand, in points from its own, best first; and how it is aligned there.
PLACES = (
    *((9, 0, "left", "center"), (-9, 0, "right", "center"), (0, 9, "center", "bottom"), (0, -9, "center", "top")),
    *((7, 7, "left", "bottom"), (7, -7, "left", "top"), (-7, 7, "right", "bottom"), (-7, -7, "right", "top")),
    *((9, 18, "left", "bottom"), (9, -18, "left", "top"), (-9, 18, "right", "bottom"), (-9, -18, "right", "top")),
    *((9, 32, "left", "bottom"), (9, -32, "left", "top"), (-9, 32, "right", "bottom"), (-9, -32, "right", "top")),
)
MARKER = 5  # radius in points that a point keeps free
BAR = 2  # and its error bar, to both sides
GAP = 1  # between two names


def place(axes: "Axes", points: Sequence[tuple[float, float]], names: Sequence[str], bars: Sequence[float]) -> None:
    """Write each name at the first of PLACES that is free; call when the figure has been drawn once, so that sizes are known.

    Args:
        points: where they are, in data units.
        bars: half the height of each point's error bar, in data units; 0 for none.
    """
    from matplotlib.text import Text
    from matplotlib.transforms import Bbox

    renderer = axes.figure.canvas.get_renderer()
    spots = axes.transData.transform(points)
    marker, side, gap = map(renderer.points_to_pixels, (MARKER, BAR, GAP))
    taken = [Bbox.from_extents(x - marker, y - marker, x + marker, y + marker) for x, y in spots]
    heads = axes.transData.transform([(x, y + bar) for (x, y), bar in zip(points, bars, strict=True)])
    taken += [Bbox.from_extents(x - side, 2 * y - top, x + side, top) for (x, y), (_, top) in zip(spots, heads, strict=True)]
    frame = axes.get_window_extent(renderer)
    for point, name in zip(points, names, strict=True):
        best, least = None, float("inf")
        for x, y, horizontal, vertical in PLACES:
            # Far from its point a name needs a line to it.
            arrow = {"arrowstyle": "-", "color": "0.5", "linewidth": 0.7} if abs(y) > 9 else None
            shared = {"fontsize": 9.5, "ha": horizontal, "va": vertical, "arrowprops": arrow, "zorder": 4}
            text = axes.annotate(name, point, (x, y), textcoords="offset points", **shared)
            text.set_in_layout(False)
            text.update_positions(renderer)
            box = Text.get_window_extent(text, renderer)  # without the line
            cost = sum(_overlap(box, other) for other in taken) + 10 * (box.width * box.height - _overlap(box, frame))
            if cost >= least:
                text.remove()
                continue
            if best is not None:
                best.remove()
            best, least = text, cost
            if cost < 1:
                break
        taken.append(Text.get_window_extent(best, renderer).padded(gap))


def _overlap(one: "Bbox", other: "Bbox") -> float:
    """Pixels that two boxes share."""
    width = min(one.x1, other.x1) - max(one.x0, other.x0)
    height = min(one.y1, other.y1) - max(one.y0, other.y0)
    return max(0.0, width) * max(0.0, height)
