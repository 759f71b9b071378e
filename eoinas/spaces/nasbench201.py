"""The search space of NAS-Bench-201 (Dong and Yang, 2020): one cell of an input and three nodes, all six edges kept.

Shapes: one cell, E edges (6), O operations (5).
"""

import re

import torch
from torch import Tensor

from eoinas.errors import InputError
from eoinas.models.nasbench201 import SupernetBench201
from eoinas.models.path import Path, Route
from eoinas.models.supernet import Supernet
from eoinas.nas import derive
from eoinas.spaces.space import Space

# In the benchmark's own order: that of the letters of a cell's string.
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
CELL = "cell"
Operations = tuple[str, ...]  # a cell: the operation of each edge


class NasBench201(Space):
    """``NasBench201(operations)``: which operations there are is the caller's to say, for the paper's chain needs an order."""

    def __init__(self, operations: tuple[str, ...]):
        super().__init__("nasbench201", operations, (CELL,), EDGES)

    def derive(self, importance: Tensor, alive: Tensor, zero_may_win: bool = True) -> Operations:
        """On each edge the best operation; the zero operation is one of the benchmark's and may be it (choice D55)."""
        best = derive.best_operations(importance[0], alive[0], None if zero_may_win else self.zero)
        return tuple(self.operations[operation] for operation in best.operation.tolist())

    def random(self, generator: torch.Generator) -> Operations:
        """Any operation on each edge."""
        return tuple(
            self.operations[draw] for draw in torch.randint(len(self.operations), (len(self.edges),), generator=generator)
        )

    def path(self, cell: Operations) -> Path:
        """Each edge with its one operation; the zero operation runs nothing."""
        chosen = [self.operations.index(name) for name in cell]
        return [Route([[] if operation == self.zero else [operation] for operation in chosen])]

    def plain(self, cell: Operations) -> dict:
        """The benchmark's string, such as ``|nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|+|skip_connect~0|none~1|none~2|``."""
        return {CELL: text(cell)}

    def parse(self, value: object, where: str) -> Operations:
        """The cell of ``plain``'s form."""
        if not isinstance(value, dict) or set(value) != {CELL} or not isinstance(value[CELL], str):
            raise InputError(f"{where}: must be {{'{CELL}': a cell of NAS-Bench-201 as it writes them}}")
        return read(value[CELL], self.operations, where)

    def supernet(self, C: int, layers: int, classes: int, pool_bn: bool) -> Supernet:
        """The benchmark's skeleton, a third of the ``layers`` cells in each of its three stages."""
        return SupernetBench201(self, C, layers, classes, pool_bn)


def text(cell: Operations) -> str:
    """A cell as the benchmark writes it."""
    nodes = {j: "|".join(f"{name}~{i}" for name, (i, node) in zip(cell, EDGES, strict=True) if node == j) for _, j in EDGES}
    return "+".join(f"|{node}|" for node in nodes.values())


def read(written: str, operations: tuple[str, ...], where: str) -> Operations:
    """The cell that the benchmark writes so.

    Raises:
        InputError: it is none; the message begins with ``where``.
    """
    found = tuple(re.findall(r"([a-z0-9_]+)~", written))
    if len(found) != len(EDGES) or text(found) != written or set(found) - set(operations):
        raise InputError(f"{where}: {written!r:.200} is no cell of NAS-Bench-201 of the operations {', '.join(operations)}")
    return found
