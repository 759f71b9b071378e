"""Where the parts of a layered drawing go: left to right in columns, few crossings, nothing on top of anything else.

The usual three steps: every edge is cut into segments between neighbouring columns by way points; the order within each
column is chosen to have few crossings; heights are chosen to have straight edges. No random numbers: equal input, equal output.
"""

from dataclasses import dataclass
from itertools import pairwise

SWEEPS = 24  # for the order
SETTLING = 120  # for the heights
STRAIGHT = 4.0  # how much more than others the inner segments of an edge want to be level


@dataclass(frozen=True)
class Part:
    """Something that takes room in one column: a node, a label, or the point where an edge passes."""

    column: int
    height: float


def heights(parts: list[Part], segments: list[tuple[int, int]], gap: float) -> list[float]:
    """The centre of each part on the vertical axis, upwards; the middle of the drawing is near 0.

    Args:
        parts: all parts; those of the first column keep the order in which they are listed, top to bottom.
        segments: pairs of indices into ``parts``, from a column to the next one.
        gap: free room between two parts of a column, in the unit of ``Part.height``.
    """
    order = _order(parts, segments)
    neighbours: list[list[int]] = [[] for _ in parts]
    for left, right in segments:
        neighbours[left].append(right)
        neighbours[right].append(left)
    # A part with one segment on either side lies on an edge and is no node.
    inner = [len(others) == 2 for others in neighbours]
    pulls = [
        [(other, STRAIGHT if inner[part] and inner[other] else 1.0) for other in neighbours[part]] for part in range(len(parts))
    ]
    centres = [0.0] * len(parts)
    for column in order:
        for index, part in enumerate(column):
            centres[part] = -float(index)
    for sweep in range(SETTLING):
        for column in order if sweep % 2 == 0 else order[::-1]:
            wanted = [
                sum(weight * centres[other] for other, weight in pulls[part]) / sum(weight for _, weight in pulls[part])
                if pulls[part]
                else centres[part]
                for part in column
            ]
            for part, centre in zip(column, _apart(wanted, [parts[part].height for part in column], gap), strict=True):
                centres[part] = centre
    return centres


def _order(parts: list[Part], segments: list[tuple[int, int]]) -> list[list[int]]:
    """Columns of part indices, top to bottom: barycentre sweeps, the best of them improved by swapping neighbours."""
    columns = 1 + max(part.column for part in parts)
    order = [[index for index, part in enumerate(parts) if part.column == column] for column in range(columns)]
    best, fewest = order, _crossings(order, segments)
    for sweep in range(SWEEPS):
        forward = sweep % 2 == 0
        order = [list(column) for column in order]
        for column in range(1, columns) if forward else range(columns - 2, 0, -1):
            fixed = {part: place for place, part in enumerate(order[column - 1 if forward else column + 1])}
            places = {part: place for place, part in enumerate(order[column])}
            for part in order[column]:
                ends = [pair[not forward] for pair in segments if pair[forward] == part]
                if ends:
                    places[part] = sum(fixed[end] for end in ends) / len(ends)
            order[column].sort(key=places.get)
        count = _crossings(order, segments)
        if count < fewest:
            best, fewest = order, count
    return _swapped(best, segments)


def _swapped(order: list[list[int]], segments: list[tuple[int, int]]) -> list[list[int]]:
    fewest = _crossings(order, segments)
    improved = True
    while improved:
        improved = False
        for column in order[1:]:
            for upper in range(len(column) - 1):
                column[upper], column[upper + 1] = column[upper + 1], column[upper]
                count = _crossings(order, segments)
                if count < fewest:
                    fewest, improved = count, True
                else:
                    column[upper], column[upper + 1] = column[upper + 1], column[upper]
    return order


def _crossings(order: list[list[int]], segments: list[tuple[int, int]]) -> int:
    place = {part: (number, index) for number, column in enumerate(order) for index, part in enumerate(column)}
    lines = sorted((place[left], place[right]) for left, right in segments)
    return sum(
        one[0][0] == two[0][0] and one[0][1] < two[0][1] and one[1][1] > two[1][1]
        for index, one in enumerate(lines)
        for two in lines[index + 1 :]
    )


def _apart(wanted: list[float], sizes: list[float], gap: float) -> list[float]:
    """The centres nearest to ``wanted`` (least squares) that go down in this order and overlap nowhere."""
    offsets = [0.0]
    for upper, lower in pairwise(sizes):
        offsets.append(offsets[-1] + (upper + lower) / 2 + gap)
    blocks: list[tuple[float, int]] = []  # (sum of positions, members): pool adjacent violators
    for centre, offset in zip(wanted, offsets, strict=True):
        total, members = centre + offset, 1
        while blocks and blocks[-1][0] / blocks[-1][1] < total / members:
            total, members = total + blocks[-1][0], members + blocks[-1][1]
            blocks.pop()
        blocks.append((total, members))
    positions = [total / members for total, members in blocks for _ in range(members)]
    return [position - offset for position, offset in zip(positions, offsets, strict=True)]
