"""The network that is trained for segmentation (Sec. V-C): the encoder of Table IV and the decoder of DeepLabv3+.

Shapes: B images, C channels of a node in the first cell, H, W sides of the image, K classes. Sides are halved rounding up, so any
side works. Upsampling aligns the corners: the convolutions put a feature of stride 16 on every 16th pixel, and where a side is a
multiple of 16 plus 1, as the crop of 769 is, upsampling puts it back there exactly.
"""

from typing import Annotated, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from eoinas import params
from eoinas.genotype import Genotype
from eoinas.models import ops
from eoinas.models.aspp import ASPP
from eoinas.models.cell import Cell
from eoinas.models.seg_cells import Cells, plan
from eoinas.models.seg_stem import SegStem

GROUPS = 8  # of GroupNorm, choice D41


class SegNetworkParams(params.Section):
    """Size of the network; what each means stands beside it in params.yaml."""

    C: Annotated[int, Field(gt=0, multiple_of=2)]
    cells: Cells
    norm: Literal["batch", "group"]
    aspp_rates: Annotated[list[params.Positive], Field(min_length=1)]
    width: params.Positive
    low_width: params.Positive

    @model_validator(mode="after")
    def _consistent(self) -> "SegNetworkParams":
        widths = {"C": self.C // 2, "width": self.width, "low_width": self.low_width}
        for name, value in widths.items():
            if self.norm == "group" and value % GROUPS:
                least = 2 * GROUPS if name == "C" else GROUPS
                raise ValueError(f"{name} must be a multiple of {least} where norm is group")
        return self


class Backbone(nn.Module):
    """Three convolutions and the cells: images to features of strides 4 and 16.

    Args:
        genotype: both cells.
        C: channels of each node in the first cell.
        cells: letters N and R in the order of the cells (choice D40).
        norm: ``batch`` or ``group`` (choice D41).
    """

    def __init__(self, genotype: Genotype, C: int, cells: str, norm: str) -> None:
        super().__init__()
        self.stem = SegStem(C, track_running_stats=True)
        self.cells = nn.ModuleList()
        self.low_after = cells.index("R") - 1  # the last cell of stride 4
        C_prev_prev, C_prev = self.stem.channels
        for index, (width, reduction, reduction_prev) in enumerate(plan(cells, C)):
            cell = Cell(genotype, C_prev_prev, C_prev, width, reduction, reduction_prev)
            self.cells.append(cell)
            C_prev_prev, C_prev = C_prev, cell.out_channels
            if index == self.low_after:
                self.low_channels = C_prev
        self.out_channels = C_prev
        if norm == "group":
            use_group_norm(self)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """[B, 3, H, W] to [B, low_channels, H / 4, W / 4] and [B, out_channels, H / 16, W / 16]."""
        s0, s1 = ops.nodes(*self.stem(x))
        for index, cell in enumerate(self.cells):
            s0, s1 = s1, ops.Node(cell(s0, s1))
            if index == self.low_after:
                low = s1.value
        return low, s1.value


class Decoder(nn.Module):
    """The decoder of DeepLabv3+ (choice D54): low-level feature to ``low_width`` channels, two 3x3 convolutions, classifier."""

    def __init__(self, C_low: int, low_width: int, width: int, classes: int) -> None:
        super().__init__()

        def conv(C_in: int, C_out: int, kernel: int) -> nn.Sequential:
            return nn.Sequential(
                nn.Conv2d(C_in, C_out, kernel, padding=kernel // 2, bias=False), nn.BatchNorm2d(C_out), nn.ReLU()
            )

        self.low = conv(C_low, low_width, 1)
        self.refine = nn.Sequential(conv(low_width + width, width, 3), conv(width, width, 3))
        self.classifier = nn.Conv2d(width, classes, 1)

    def forward(self, low: Tensor, high: Tensor) -> Tensor:
        """[B, C_low, H / 4, W / 4] and [B, width, H / 16, W / 16] to logits [B, K, H / 4, W / 4]."""
        low = self.low(torch.relu(low))
        high = F.interpolate(high, low.shape[2:], mode="bilinear", align_corners=True)  # [B, width, H / 4, W / 4]
        return self.classifier(self.refine(torch.cat((high, low), 1)))


class SegmentationNetwork(nn.Module):
    """Encoder and decoder: images [B, 3, H, W] to logits [B, K, H, W].

    Args:
        genotype: both cells.
        settings: sizes.
        classes: K.
    """

    def __init__(self, genotype: Genotype, settings: SegNetworkParams, classes: int) -> None:
        super().__init__()
        self.backbone = Backbone(genotype, settings.C, settings.cells, settings.norm)
        self.aspp = ASPP(self.backbone.out_channels, settings.width, settings.aspp_rates, track_running_stats=True)
        self.decoder = Decoder(self.backbone.low_channels, settings.low_width, settings.width, classes)
        if settings.norm == "group":
            use_group_norm(self)

    def forward(self, x: Tensor) -> Tensor:
        low, high = self.backbone(x)
        logits = self.decoder(low, self.aspp(high))
        return F.interpolate(logits, x.shape[2:], mode="bilinear", align_corners=True)


class PooledClassifier(nn.Module):
    """The backbone with global average pooling and a linear layer, to be trained on ImageNet (Sec. V-C, choice D53)."""

    def __init__(self, genotype: Genotype, settings: SegNetworkParams, classes: int) -> None:
        super().__init__()
        self.backbone = Backbone(genotype, settings.C, settings.cells, settings.norm)
        self.classifier = nn.Linear(self.backbone.out_channels, classes)

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        """[B, 3, H, W] to logits [B, K], and no auxiliary logits."""
        return self.classifier(self.backbone(x)[1].mean((2, 3))), None


def use_group_norm(module: nn.Module) -> None:
    """Put GroupNorm in the place of every BatchNorm of ``module`` (choice D41): no statistics of a batch, the same parameters."""
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            setattr(module, name, nn.GroupNorm(GROUPS, child.num_features))
        else:
            use_group_norm(child)
