"""The CIFAR-10 and CIFAR-100 network (Sec. IV-C, Fig. 6a)."""

import torch
from torch import nn

from eoinas.genotype import Genotype
from eoinas.models.classifier import Classifier


class NetworkCIFAR(Classifier):
    """A 3x3 convolution to 3 C channels at full resolution, then the body; the paper has C = 36 and 20 cells.

    Args:
        genotype: both cells.
        C: channels of each node in the first cell.
        layers: number of cells.
        classes: number of classes.
        image_size: side of the images, in pixels.
        auxiliary: with the auxiliary head, which runs in training only.

    Raises:
        InputError: the image is too small for the auxiliary head.
    """

    def __init__(
        self, genotype: Genotype, C: int, layers: int, classes: int, image_size: int = 32, auxiliary: bool = True
    ) -> None:
        super().__init__(
            genotype,
            C,
            layers,
            classes,
            C_stem=3 * C,
            reduction_prev=False,
            side=image_size,
            image_size=image_size,
            auxiliary=auxiliary,
            auxiliary_bn=True,
        )
        self.stem0 = nn.Sequential(nn.Conv2d(3, 3 * C, 3, padding=1, bias=False), nn.BatchNorm2d(3 * C))

    def stem(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """[B, 3, H, W] to twice the same [B, 3 C, H, W]."""
        out = self.stem0(x)
        return out, out
