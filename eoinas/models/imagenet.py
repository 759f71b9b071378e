"""The ImageNet network (Sec. IV-D, Fig. 6b)."""

import torch
from torch import nn

from eoinas.genotype import Genotype
from eoinas.models import ops
from eoinas.models.classifier import Classifier


class NetworkImageNet(Classifier):
    """Three convolutions of stride 2, then the body; C = 48 and 14 cells (choice D35).

    Args:
        genotype: both cells.
        C: channels of each node in the first cell.
        layers: number of cells.
        classes: number of classes.
        image_size: side of the images, in pixels.
        auxiliary: with the auxiliary head, which runs in training only.
        auxiliary_bn: the auxiliary head's second BatchNorm.

    Raises:
        InputError: the image is too small for the auxiliary head.
    """

    def __init__(
        self,
        genotype: Genotype,
        C: int,
        layers: int,
        classes: int = 1000,
        image_size: int = 224,
        auxiliary: bool = True,
        auxiliary_bn: bool = True,
    ) -> None:
        super().__init__(
            genotype,
            C,
            layers,
            classes,
            C_stem=C,
            reduction_prev=True,
            side=-(-image_size // 8),
            image_size=image_size,
            auxiliary=auxiliary,
            auxiliary_bn=auxiliary_bn,
        )
        self.stem0 = nn.Sequential(
            nn.Conv2d(3, C // 2, 3, 2, padding=1, bias=False),
            nn.BatchNorm2d(C // 2),
            ops.ReLUConvBN(C // 2, C, 3, 2),
        )
        self.stem1 = ops.ReLUConvBN(C, C, 3, 2)

    def stem(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """[B, 3, H, W] to [B, C, H / 4, W / 4] and [B, C, H / 8, W / 8]."""
        s0 = self.stem0(x)
        return s0, self.stem1(s0)
