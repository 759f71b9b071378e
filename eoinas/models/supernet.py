"""The supernet of the search: every edge holds all eight operations, and a path says which of them run (Sec. III-A, IV-B).

Shapes: B batch, C channels, H, W height and width, E edges (14), O operations (8). Batch normalisation has no affine weights and
uses the statistics of the batch, also when a derived cell is scored: no running mean would fit the many networks in one.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from eoinas.genotype import INPUTS
from eoinas.models import ops
from eoinas.models.path import Path
from eoinas.spaces.space import Space

_SKIP = "skip_connect"
BATCH_STATISTICS = {"affine": False, "track_running_stats": False}


class Dag(nn.Module):
    """The nodes of a cell and its edges with all their operations; a path says which run.

    Args:
        C: channels of every node.
        reduction: the edges from the input nodes have stride 2.
    """

    edges: nn.ModuleList  # of each edge of the space its operations, of each operation a module

    def __init__(self, space: Space, C: int, reduction: bool = False):
        super().__init__()
        self._space, self._nodes = space, sorted({j for _, j in space.edges})
        self.channels, self.reduction = C, reduction
        self.skip_dropout = 0.0  # choice D19

    def build_edges(self, pool_bn: bool) -> nn.ModuleList:
        """All operations of all edges."""
        strides = [2 if self.reduction and i < INPUTS else 1 for i, _ in self._space.edges]
        return nn.ModuleList(
            nn.ModuleList(
                ops.build(name, self.channels, stride, pool_bn=pool_bn, **BATCH_STATISTICS) for name in self._space.operations
            )
            for stride in strides
        )

    def fill(self, values: dict[int, Tensor], path: Path) -> dict[int, Tensor]:
        """The values of all nodes [B, C, H, W] from those of the input nodes."""
        route = path[int(self.reduction)]
        chosen = route.scaled(self.channels)
        for i in (*values, *self._nodes):
            if i not in values:
                values[i] = self._nothing(values[0])
            if route.bare is not None:
                values[i] = values[i] + sum(route.bare[edge] for edge, (_, j) in enumerate(self._space.edges) if j == i)
            _add(values, self._terms(i, ops.Node(values[i]), chosen))
        return values

    def _terms(self, source: int, node: ops.Node, chosen: list[list[tuple[int, ops.Scale | None]]]) -> dict[int, Tensor]:
        """What node i, ``source``, adds to the nodes j that it has an edge to."""
        terms: dict[int, Tensor] = {}
        for edge, (i, j) in enumerate(self._space.edges):
            for operation, scale in chosen[edge] if i == source else ():
                term = self._run(edge, operation, node, scale)
                terms[j] = terms[j] + term if j in terms else term
        return terms

    def _run(self, edge: int, operation: int, node: ops.Node, scale: ops.Scale | None) -> Tensor:
        y = ops.run(self.edges[edge][operation], node, scale)
        if self._space.operations[operation] == _SKIP and self.skip_dropout:
            y = F.dropout(y, self.skip_dropout, self.training)
        return y

    def _nothing(self, x: Tensor) -> Tensor:
        """What a node is on all of whose edges the zero operation was drawn."""
        stride = 2 if self.reduction else 1
        return torch.zeros_like(x[:, :, ::stride, ::stride])


class SearchCell(Dag):
    """A cell with all operations on all edges; in a reduction cell the edges from the two inputs have stride two."""

    def __init__(self, space: Space, C_prev_prev: int, C_prev: int, C: int, reduction: bool, reduction_prev: bool, pool_bn: bool):
        super().__init__(space, C, reduction)
        self.out_channels = C * len(self._nodes)
        if reduction_prev:
            self.preprocess0 = ops.FactorizedReduce(C_prev_prev, C, **BATCH_STATISTICS)
        else:
            self.preprocess0 = ops.ReLUConvBN(C_prev_prev, C, 1, 1, **BATCH_STATISTICS)
        self.preprocess1 = ops.ReLUConvBN(C_prev, C, 1, 1, **BATCH_STATISTICS)
        self.edges = self.build_edges(pool_bn)

    def forward(self, s0: Tensor | ops.Node, s1: Tensor | ops.Node, path: Path) -> Tensor:
        """[B, C_prev_prev, H', W'], [B, C_prev, H, W] -> [B, 4C, H, W], half as high and wide in a reduction cell."""
        values = self.fill({0: ops.run(self.preprocess0, s0), 1: ops.run(self.preprocess1, s1)}, path)
        return ops.concatenate([values[j] for j in self._nodes], self.training)  # [B, 4C, H, W]


def _add(values: dict[int, Tensor], terms: dict[int, Tensor]) -> None:
    """Eq. (3), one source after the other: its terms are added to the values of all nodes in one call."""
    summed = [j for j in terms if j in values]
    if summed:
        sums = torch._foreach_add([values[j] for j in summed], [terms[j] for j in summed])
        terms = terms | dict(zip(summed, sums, strict=True))
    values.update(terms)


class Supernet(nn.Module):
    """A network that holds every operation of every edge of ``space``: forward(inputs, path) -> outputs."""

    def __init__(self, space: Space):
        super().__init__()
        self.space = space


class SupernetCIFAR(Supernet):
    """L cells of which those at 1/3 and 2/3 of the depth are reduction cells (Sec. IV-B)."""

    def __init__(self, space: Space, C: int, layers: int, classes: int, pool_bn: bool):
        super().__init__(space)
        width = 3 * C
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width, track_running_stats=False))
        self.cells = nn.ModuleList()
        C_prev_prev, C_prev, reduction_prev = width, width, False
        for layer in range(layers):
            reduction = layer in (layers // 3, 2 * layers // 3)
            C *= 2 if reduction else 1
            cell = SearchCell(space, C_prev_prev, C_prev, C, reduction, reduction_prev, pool_bn)
            self.cells.append(cell)
            C_prev_prev, C_prev, reduction_prev = C_prev, cell.out_channels, reduction
        self.classifier = nn.Linear(C_prev, classes)

    def forward(self, images: Tensor, path: Path) -> Tensor:
        """[B, 3, H, W] -> logits [B, classes]."""
        s0 = s1 = ops.Node(self.stem(images))  # [B, 3C, H, W]
        for cell in self.cells:
            s0, s1 = s1, ops.Node(cell(s0, s1, path))
        return self.classifier(s1.value.mean((2, 3)))  # [B, classes]
