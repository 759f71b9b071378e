"""The supernet of the segmentation search (Table IV): the sampled cells between a stem of three convolutions and ASPP.

Shapes: B images, H, W sides of the image, K classes. Normalisation as in ``eoinas.models.supernet``: statistics of the batch.
"""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from eoinas.models import ops
from eoinas.models.aspp import ASPP
from eoinas.models.path import Path
from eoinas.models.seg_cells import plan
from eoinas.models.seg_stem import SegStem
from eoinas.models.supernet import SearchCell, Supernet
from eoinas.spaces.space import Space


class SupernetSegmentation(Supernet):
    """Stem, cells of strides 4, 8 and 16, ASPP at the last cell's width (choice D43), classifier, bilinear upsampling.

    Args:
        space: of the cells.
        C: channels of each node in the first cell (choice D42).
        cells: letters N and R in the order of the cells (choice D40).
        aspp_rates: dilations of ASPP.
        classes: K.
        pool_bn: BatchNorm after pooling (choice D24).
    """

    def __init__(self, space: Space, C: int, cells: str, aspp_rates: Sequence[int], classes: int, pool_bn: bool) -> None:
        super().__init__(space)
        self.stem = SegStem(C, track_running_stats=False)
        self.cells = nn.ModuleList()
        C_prev_prev, C_prev = self.stem.channels
        for width, reduction, reduction_prev in plan(cells, C):
            cell = SearchCell(space, C_prev_prev, C_prev, width, reduction, reduction_prev, pool_bn)
            self.cells.append(cell)
            C_prev_prev, C_prev = C_prev, cell.out_channels
        self.aspp = ASPP(C_prev, C_prev, aspp_rates, track_running_stats=False)
        self.classifier = nn.Conv2d(C_prev, classes, 1)

    def forward(self, images: Tensor, path: Path) -> Tensor:
        """[B, 3, H, W] to logits [B, K, H, W]."""
        s0, s1 = ops.nodes(*self.stem(images))
        for cell in self.cells:
            s0, s1 = s1, ops.Node(cell(s0, s1, path))
        logits = self.classifier(self.aspp(s1.value))  # [B, K, H / 16, W / 16]
        return F.interpolate(logits, images.shape[2:], mode="bilinear", align_corners=True)
