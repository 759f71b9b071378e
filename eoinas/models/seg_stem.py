"""The first three rows of Table IV, which the segmentation supernet and the derived network share."""

from torch import Tensor, nn

from eoinas.models import ops


class SegStem(nn.Module):
    """Three 3x3 convolutions of strides 2, 1, 2 and widths C / 2, C / 2, C (choice D42).

    The two inputs of the first cell are the second convolution's output (stride 2) and the third's (stride 4), so that the first
    cell reduces its older input as a cell after a reduction cell does; the published parameter counts follow from this alone.

    Args:
        C: channels of a node in the first cell, an even number.
        track_running_stats: of BatchNorm; False in the supernet.
    """

    def __init__(self, C: int, track_running_stats: bool) -> None:
        super().__init__()
        half = C // 2
        self.channels = (half, C)
        self.convs = nn.ModuleList(
            (
                nn.Sequential(
                    nn.Conv2d(3, half, 3, 2, padding=1, bias=False), nn.BatchNorm2d(half, track_running_stats=track_running_stats)
                ),
                ops.ReLUConvBN(half, half, 3, 1, track_running_stats=track_running_stats),
                ops.ReLUConvBN(half, C, 3, 2, track_running_stats=track_running_stats),
            )
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """[B, 3, H, W] to [B, C / 2, H / 2, W / 2] and [B, C, H / 4, W / 4], sides rounded up."""
        first, second, third = self.convs
        s0 = second(first(x))
        return s0, third(s0)
