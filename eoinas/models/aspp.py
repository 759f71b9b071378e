"""Atrous spatial pyramid pooling on top of the last cell (Sec. V-B, choice D43)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class ASPP(nn.Module):
    """A 1x1 convolution, 3x3 convolutions dilated by ``rates``, and image pooling, side by side; then a 1x1 projection.

    Args:
        C_in: channels of the last cell's output.
        width: channels of each branch and of the output.
        rates: dilations, in pixels of the feature map.
        track_running_stats: of BatchNorm; False in the supernet.
    """

    def __init__(self, C_in: int, width: int, rates: Sequence[int], track_running_stats: bool) -> None:
        super().__init__()

        def branch(C: int, kernel: int, rate: int) -> nn.Sequential:
            return nn.Sequential(
                nn.Conv2d(C, width, kernel, padding=rate * (kernel // 2), dilation=rate, bias=False),
                nn.BatchNorm2d(width, track_running_stats=track_running_stats),
                nn.ReLU(),
            )

        self.branches = nn.ModuleList([branch(C_in, 1, 1), *(branch(C_in, 3, rate) for rate in rates)])
        self.pool = branch(C_in, 1, 1)
        self.project = branch((len(rates) + 2) * width, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C_in, H, W] to [B, width, H, W]."""
        x = torch.relu(x)  # a cell ends in sums, as every layer that follows one expects
        pooled = self.pool(x.mean((2, 3), keepdim=True)).expand(-1, -1, *x.shape[2:])  # [B, width, H, W]
        return self.project(torch.cat([*(branch(x) for branch in self.branches), pooled], 1))
