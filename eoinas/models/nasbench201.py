"""The networks of NAS-Bench-201 (Dong and Yang, 2020): a stem, three stages of equal cells, a residual block between two stages.

Shapes: B images, C channels of the first stage, doubled in each block, H and W the sides of the image, halved in each block.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from eoinas.models import ops
from eoinas.models.path import Path
from eoinas.models.supernet import Dag, Supernet
from eoinas.spaces.space import Space

STAGES = 3


class SearchCell201(Dag):
    """A cell of one input node: [B, C, H, W] -> [B, C, H, W], the value of the last node."""

    def __init__(self, space: Space, C: int, pool_bn: bool):
        super().__init__(space, C)
        self.edges = self.build_edges(pool_bn)

    def forward(self, x: Tensor, path: Path) -> Tensor:
        return self.fill({0: x}, path)[self._nodes[-1]]


class Cell201(nn.Module):
    """The cell of a derived network: the operation of each edge (input node, node) in turn."""

    def __init__(self, operations: Sequence[str], edges: Sequence[tuple[int, int]], C: int):
        super().__init__()
        self._ends = tuple(edges)
        self.edges = nn.ModuleList(ops.build(name, C, 1, affine=True, pool_bn=False) for name in operations)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, C, H, W]."""
        values = {0: ops.Node(x)}
        for j in sorted({j for _, j in self._ends}):
            terms = [ops.run(self.edges[edge], values[i]) for edge, (i, node) in enumerate(self._ends) if node == j]
            values[j] = ops.Node(torch.stack(terms).sum(0))
        return values[max(values)].value


class Residual(nn.Module):
    """Between two stages: [B, C, H, W] -> [B, 2C, H / 2, W / 2]."""

    def __init__(self, C: int, track_running_stats: bool):
        super().__init__()
        self.first = ops.ReLUConvBN(C, 2 * C, 3, 2, True, track_running_stats)
        self.second = ops.ReLUConvBN(2 * C, 2 * C, 3, 1, True, track_running_stats)
        self.short = nn.Sequential(nn.AvgPool2d(2, 2), nn.Conv2d(C, 2 * C, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x)) + self.short(x)


class Skeleton(nn.Module):
    """All but the cells: ``cell(C)`` builds one. ``through`` runs one on its input.

    Args:
        layers: number of cells, the same in each of the three stages.
        track_running_stats: of every batch normalisation.
    """

    def __init__(self, C: int, layers: int, classes: int, cell: Callable[[int], nn.Module], track_running_stats: bool):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, C, 3, padding=1, bias=False), nn.BatchNorm2d(C, track_running_stats=track_running_stats)
        )
        self.stages, self.blocks = nn.ModuleList(), nn.ModuleList()
        for stage in range(STAGES):
            if stage:
                self.blocks.append(Residual(C, track_running_stats))
                C *= 2
            self.stages.append(nn.ModuleList(cell(C) for _ in range(layers // STAGES)))
        self.norm = nn.BatchNorm2d(C, track_running_stats=track_running_stats)
        self.classifier = nn.Linear(C, classes)

    def through(self, images: Tensor, run: Callable[[nn.Module, Tensor], Tensor]) -> Tensor:
        """[B, 3, H, W] -> logits [B, classes]."""
        x = self.stem(images)
        for stage, cells in enumerate(self.stages):
            if stage:
                x = self.blocks[stage - 1](x)
            assert isinstance(cells, nn.ModuleList)
            for cell in cells:
                x = run(cell, x)
        return self.classifier(torch.relu(self.norm(x)).mean((2, 3)))


class SupernetBench201(Supernet):
    """The supernet; every cell takes the same way."""

    def __init__(self, space: Space, C: int, layers: int, classes: int, pool_bn: bool):
        super().__init__(space)
        self.skeleton = Skeleton(C, layers, classes, lambda width: SearchCell201(space, width, pool_bn), False)

    def forward(self, images: Tensor, path: Path) -> Tensor:
        """[B, 3, H, W] -> logits [B, classes]."""
        return self.skeleton.through(images, lambda cell, x: cell(x, path))


class NetworkBench201(nn.Module):
    """The network of one cell, as the benchmark trained it with C = 16 and 15 cells."""

    def __init__(self, operations: Sequence[str], edges: Sequence[tuple[int, int]], C: int, layers: int, classes: int):
        super().__init__()
        self.skeleton = Skeleton(C, layers, classes, lambda width: Cell201(operations, edges, width), True)

    def forward(self, images: Tensor) -> Tensor:
        """[B, 3, H, W] -> logits [B, classes]."""
        return self.skeleton.through(images, lambda cell, x: cell(x))
