"""The body that both classification networks of Fig. 6 share: everything between the stem and the logits.

Shapes: B images, L cells, E = 2 * NODES edges a cell, K classes, C channels of a node in the first cell.
"""

import torch
from torch import nn

from eoinas.genotype import Genotype
from eoinas.models import ops
from eoinas.models.auxiliary import AuxiliaryHead
from eoinas.models.cell import Cell


class Classifier(nn.Module):
    """L cells, reduction cells at L // 3 and 2 L // 3 that double C, global average pool, linear layer.

    A subclass adds its stem and says in ``stem`` what it does.

    Args:
        genotype: both cells.
        C: channels of each node in the first cell.
        layers: L.
        classes: K.
        C_stem: channels of the stem's two outputs.
        reduction_prev: the stem's second output has half the sides of its first.
        side: side of the stem's second output, in pixels.
        image_size: side of the input image, in pixels.
        auxiliary: add the auxiliary head after cell 2 L // 3.
        auxiliary_bn: the auxiliary head's second BatchNorm.

    Raises:
        InputError: the image is too small for the auxiliary head.
    """

    def __init__(
        self,
        genotype: Genotype,
        C: int,
        layers: int,
        classes: int,
        *,
        C_stem: int,
        reduction_prev: bool,
        side: int,
        image_size: int,
        auxiliary: bool,
        auxiliary_bn: bool,
    ) -> None:
        super().__init__()
        self.auxiliary_after = 2 * layers // 3
        self.cells = nn.ModuleList()
        self.auxiliary = None
        C_prev_prev = C_prev = C_stem
        for index in range(layers):
            reduction = index in (layers // 3, 2 * layers // 3)
            if reduction:
                C, side = 2 * C, -(-side // 2)
            cell = Cell(genotype, C_prev_prev, C_prev, C, reduction, reduction_prev)
            self.cells.append(cell)
            C_prev_prev, C_prev, reduction_prev = C_prev, cell.out_channels, reduction
            if auxiliary and index == self.auxiliary_after:
                self.auxiliary = AuxiliaryHead(C_prev, classes, side, image_size, auxiliary_bn)
        self.classifier = nn.Linear(C_prev, classes)

    def stem(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Images [B, 3, image_size, image_size] to the two inputs of the first cell, each with C_stem channels."""
        raise NotImplementedError

    def forward(self, x: torch.Tensor, keep: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Logits, and the auxiliary head's logits in training.

        Args:
            x: [B, 3, image_size, image_size].
            keep: [L, E, B], drop path as in ``Cell.forward``; None: no drop path.

        Returns:
            [B, K] and [B, K]; the second is None in evaluation and without an auxiliary head.
        """
        auxiliary = None
        s0, s1 = ops.nodes(*self.stem(x))
        for index, cell in enumerate(self.cells):
            s0, s1 = s1, ops.Node(cell(s0, s1, None if keep is None else keep[index]))
            if index == self.auxiliary_after and self.training and self.auxiliary is not None:
                auxiliary = self.auxiliary(s1.value)
        return self.classifier(s1.value.mean((2, 3))), auxiliary  # mean: [B, C_prev, H, W] to [B, C_prev]
