"""A cell of a derived network (Sec. III-A, Fig. 3a): the DAG that a genotype describes.

Shapes: B images, C channels a node, H x W the sides of the cell's output; 2 * NODES = 8 edges, two a node in turn.
"""

import torch
from torch import nn

from eoinas.genotype import INPUTS, Genotype
from eoinas.models import ops


class Cell(nn.Module):
    """One normal or reduction cell.

    Args:
        genotype: both cells; the one that is built is chosen by ``reduction``.
        C_prev_prev: channels of the output of the cell before the last.
        C_prev: channels of the output of the last cell.
        C: channels of each of this cell's nodes; the output has ``out_channels`` = C times the concatenated nodes.
        reduction: build the reduction cell, in which operations on the input nodes have stride 2.
        reduction_prev: the cell before halved the sides, so that the older input is twice as large and is reduced first.
    """

    def __init__(self, genotype: Genotype, C_prev_prev: int, C_prev: int, C: int, reduction: bool, reduction_prev: bool) -> None:
        super().__init__()
        edges = genotype.reduce if reduction else genotype.normal
        self.concat = genotype.reduce_concat if reduction else genotype.normal_concat
        self.sources = tuple(source for _, source in edges)
        self.out_channels = C * len(self.concat)
        self.preprocess0 = ops.FactorizedReduce(C_prev_prev, C) if reduction_prev else ops.ReLUConvBN(C_prev_prev, C, 1, 1)
        self.preprocess1 = ops.ReLUConvBN(C_prev, C, 1, 1)
        self.ops = nn.ModuleList(
            ops.build(name, C, 2 if reduction and source < INPUTS else 1, affine=True, pool_bn=False) for name, source in edges
        )

    def forward(self, s0: torch.Tensor | ops.Node, s1: torch.Tensor | ops.Node, keep: torch.Tensor | None = None) -> torch.Tensor:
        """Run the cell.

        Args:
            s0: [B, C_prev_prev, ...], output of the cell before the last.
            s1: [B, C_prev, ...], output of the last cell.
            keep: [8, B], drop path (Sec. IV-C, choice D33): what each edge is multiplied with for each image, 0 or
                1 / (1 - probability). An identity is never dropped. None: no drop path.

        Returns:
            [B, out_channels, H, W].
        """
        nodes = [ops.Node(ops.run(self.preprocess0, s0)), ops.Node(ops.run(self.preprocess1, s1))]  # 2 x [B, C, ...]
        for first in range(0, len(self.ops), 2):
            nodes.append(ops.Node(self._edge(first, nodes, keep) + self._edge(first + 1, nodes, keep)))  # [B, C, H, W]
        return ops.concatenate([nodes[node].value for node in self.concat], self.training)

    def _edge(self, edge: int, nodes: list[ops.Node], keep: torch.Tensor | None) -> torch.Tensor:
        operation = self.ops[edge]
        out = ops.run(operation, nodes[self.sources[edge]])
        if keep is None or isinstance(operation, ops.Identity):
            return out
        return out * keep[edge].to(out.dtype)[:, None, None, None]
