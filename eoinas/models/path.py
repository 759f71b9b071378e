"""Which operations of a supernet run: the way of a batch through its cells.

Shapes: cells, E edges, O operations.
"""

from torch import Tensor

# For each cell and each edge: the operations to run and their weights (None: 1, and no gradient); zero runs nothing.
Path = list[list[list[tuple[int, Tensor | None]]]]


def sampled(index: Tensor, weight: Tensor | None, zero: int | None) -> Path:
    """One operation an edge: ``index`` [cells, E] on the CPU, ``weight`` [cells, E] on the network's device (choice D1)."""
    rows = index.tolist()
    weights = [[None] * len(row) for row in rows] if weight is None else [row.unbind() for row in weight.unbind()]
    pairs = [zip(row, w, strict=True) for row, w in zip(rows, weights, strict=True)]
    return [[[] if operation == zero else [(operation, w)] for operation, w in row] for row in pairs]


def mixture(h: Tensor, alive: Tensor, zero: int | None) -> Path:
    """All live operations of an edge, weighted by ``h`` [cells, E, O] on the network's device; ``alive`` lies on the CPU."""
    return [
        [[(o, w[o]) for o, lives in enumerate(live) if lives and o != zero] for live, w in zip(rows, weights, strict=True)]
        for rows, weights in zip(alive.tolist(), [[edge.unbind() for edge in cell] for cell in h], strict=True)
    ]
