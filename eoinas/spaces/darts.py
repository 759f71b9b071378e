"""The paper's search space (Sec. III-A), that of DARTS: a normal and a reduction cell of two inputs and four nodes.

Shapes: cells (2), E edges (14), O operations (8).
"""

import torch
from torch import Tensor

from eoinas import genotype
from eoinas.genotype import CELLS, INPUTS, NODES, Genotype
from eoinas.models.path import Path, Route
from eoinas.models.supernet import Supernet, SupernetCIFAR
from eoinas.nas import derive
from eoinas.spaces.space import NONE, Space

_NODES = tuple(range(INPUTS, INPUTS + NODES))
EDGES = tuple((i, j) for j in _NODES for i in range(j))


class Darts(Space):
    """``Darts(operations)``: the cell of Fig. 3(a)."""

    def __init__(self, operations: tuple[str, ...]):
        super().__init__("darts", operations, CELLS, EDGES)

    def derive(self, importance: Tensor, alive: Tensor) -> Genotype:
        """The two edges of each node with the largest I (Sec. III-C), each with its best operation but zero (choice D11)."""
        cells = []
        for values, live in zip(importance, alive, strict=True):
            best = derive.best_operations(values, live, self.zero)
            edges = derive.best_edges(best, self.edges, per_node=2)
            cells.append(tuple((self.operations[int(best.operation[edge])], self.edges[edge][0]) for edge in edges))
        normal, reduce = cells
        return Genotype(normal, _NODES, reduce, _NODES)

    def random(self, generator: torch.Generator) -> Genotype:
        """Two distinct inputs a node, and on each any operation but zero."""
        operations = [name for name in self.operations if name != NONE]
        cells = []
        for _ in self.cells:
            pairs: list[tuple[str, int]] = []
            for node in _NODES:
                sources = sorted(torch.randperm(node, generator=generator)[:2].tolist())
                draws = torch.randint(len(operations), (2,), generator=generator).tolist()
                pairs += [(operations[draw], source) for draw, source in zip(draws, sources, strict=True)]
            cells.append(tuple(pairs))
        normal, reduce = cells
        return Genotype(normal, _NODES, reduce, _NODES)

    def path(self, cell: Genotype) -> Path:
        """The edges of a derived cell, each with its one operation; the other edges carry nothing."""
        path: Path = []
        for pairs in (cell.normal, cell.reduce):
            route = Route([[] for _ in self.edges])
            for position, (operation, source) in enumerate(pairs):
                edge = self.edges.index((source, INPUTS + position // 2))
                route.operations[edge].append(self.operations.index(operation))
            path.append(route)
        return path

    def plain(self, cell: Genotype) -> dict:
        """As ``genotype.plain``."""
        return genotype.plain(cell)

    def parse(self, value: object, where: str) -> Genotype:
        """As ``genotype.parse``."""
        return genotype.parse(value, where)

    def supernet(self, C: int, layers: int, classes: int, pool_bn: bool) -> Supernet:
        """The network of Sec. IV-B."""
        return SupernetCIFAR(self, C, layers, classes, pool_bn)
