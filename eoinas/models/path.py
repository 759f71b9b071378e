"""Which operations of a supernet run: the way of a batch through its cells.

Shapes: cells, E edges, O operations, n operations that run in a cell, C channels.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from eoinas import devices
from eoinas.models.ops import Scale

CPU = torch.device("cpu")


class Route(NamedTuple):
    """The way through one cell.

    Attributes:
        operations: of each edge, those that run; the zero operation runs nothing.
        weights: [n], theirs in the same order, on the network's device. None: all are 1, and get no gradient.
        ones: the weights are 1 in value, and there for their gradient alone.
        bare: [E], numbers that are added to every value of what the edges give; None: nothing is.
    """

    operations: list[list[int]]
    weights: Tensor | None = None
    ones: bool = False
    bare: Tensor | None = None

    def scaled(self, C: int) -> list[list[tuple[int, Scale | None]]]:
        """Of each edge the operations that run, each with its weight as the scale of C channels."""
        if self.weights is None:
            return [[(operation, None) for operation in edge] for edge in self.operations]
        rows = iter(self.weights[:, None].expand(-1, C).contiguous().unbind())
        return [[(operation, Scale(next(rows), self.ones)) for operation in edge] for edge in self.operations]


Path = list[Route]  # of each cell of the space


def sampled(
    index: Tensor, weight: Tensor | None, zero: int | None, device: torch.device = CPU, bare: Tensor | None = None
) -> Path:
    """One operation an edge (choice D1).

    Args:
        index: of the operation [cells, E], on the CPU.
        weight: [cells, E], 1 in value; None: without a gradient.
        zero: the operation that runs nothing.
        device: of the network.
        bare: [cells, E], added to what an edge gives.
    """
    operations = [[[] if operation == zero else [operation] for operation in row] for row in index.tolist()]
    places = [[edge for edge, chosen in enumerate(row) if chosen] for row in operations]
    routes = _routes(operations, weight, places, device, ones=True)
    if bare is None:
        return routes
    return [route._replace(bare=part) for route, part in zip(routes, devices.moved(bare, device), strict=True)]


def mixture(h: Tensor, alive: Tensor, zero: int | None, device: torch.device = CPU) -> Path:
    """All operations of an edge that are ``alive`` [cells, E, O], on the CPU, weighted by ``h`` [cells, E, O]."""
    operations = [[[o for o, lives in enumerate(edge) if lives and o != zero] for edge in row] for row in alive.tolist()]
    places = [[edge * h.shape[2] + o for edge, chosen in enumerate(row) for o in chosen] for row in operations]
    return _routes(operations, h, places, device, ones=False)


def _routes(
    operations: list[list[list[int]]], weights: Tensor | None, places: list[list[int]], device: torch.device, ones: bool
) -> Path:
    """With the weights that stand at ``places`` of each cell's row of ``weights``, which go to the device in one copy."""
    if weights is None:
        return [Route(cell) for cell in operations]
    rows = weights.flatten(1)
    index = [cell * rows.shape[1] + place for cell, found in enumerate(places) for place in found]
    chosen = rows.flatten().index_select(0, torch.tensor(index, dtype=torch.int64, device=rows.device))
    parts = devices.moved(chosen, device).split([len(found) for found in places])
    return [Route(cell, part, ones) for cell, part in zip(operations, parts, strict=True)]
