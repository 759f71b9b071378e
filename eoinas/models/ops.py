"""The eight candidate operations of Sec. III-A, and the small layers that cells are glued together with.

Shapes: B images, C channels, H x W a feature map's sides. Every operation maps [B, C, H, W] to
[B, C, ceil(H / stride), ceil(W / stride)], for odd sides too; the glue layers may change C.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from eoinas.errors import InputError


class ReLUConvBN(nn.Module):
    """ReLU, convolution, BatchNorm: [B, C_in, H, W] to [B, C_out, H / stride, W / stride]."""

    def __init__(
        self, C_in: int, C_out: int, kernel: int, stride: int, affine: bool = True, track_running_stats: bool = True
    ) -> None:
        super().__init__()
        self.op = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(C_in, C_out, kernel, stride, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(C_out, affine=affine, track_running_stats=track_running_stats),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.op(x)


class DilConv(nn.Module):
    """A depthwise separable convolution, dilated by ``dilation``: ReLU, depthwise, pointwise, BatchNorm."""

    def __init__(
        self, C: int, kernel: int, stride: int, dilation: int, affine: bool = True, track_running_stats: bool = True
    ) -> None:
        super().__init__()
        padding = dilation * (kernel // 2)
        self.op = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(C, C, kernel, stride, padding, dilation, groups=C, bias=False),
            nn.Conv2d(C, C, 1, bias=False),
            nn.BatchNorm2d(C, affine=affine, track_running_stats=track_running_stats),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        relu, depthwise, pointwise, bn = self.op
        x = relu(x)
        by_parts = depthwise.dilation == (2, 2) and x.requires_grad and x.device.type == "cpu"
        return bn(pointwise(dilated(x, depthwise) if by_parts else depthwise(x)))


def dilated(x: torch.Tensor, conv: nn.Conv2d) -> torch.Tensor:
    """A depthwise convolution of dilation 2 as one of dilation 1: even and odd rows and columns never meet in it.

    The backward pass of the dilated one takes several times as long on a CPU. The sums are the same, each in the same order but
    those of the weights' gradient.

    Args:
        x: [B, C, H, W].
        conv: of kernel k, stride 1 or 2, padding 2 * (k // 2).

    Returns:
        [B, C, ceil(H / stride), ceil(W / stride)].
    """
    (B, C, H, W), k = x.shape, conv.kernel_size[0]
    rows = x.permute(0, 2, 3, 1)  # [B, H, W, C]
    if conv.stride == (2, 2):  # every tap falls on an even row and column
        return F.conv2d(rows[:, ::2, ::2].permute(0, 3, 1, 2), conv.weight, padding=k // 2, groups=C)
    # At least k rows and columns of each kind, or the library's gradient of the weights is slow again.
    h, w = -(-max(H, 2 * k) // 2), -(-max(W, 2 * k) // 2)
    if (2 * h, 2 * w) != (H, W):
        rows = F.pad(rows, (0, 0, 0, 2 * w - W, 0, 2 * h - H))
    # Four images of half the sides, side by side in the channels: (row parity, column parity, C).
    four = rows.reshape(B, h, 2, w, 2 * C).transpose(2, 3).reshape(B, h, w, 4 * C).permute(0, 3, 1, 2)
    four = F.conv2d(four, conv.weight.repeat(4, 1, 1, 1), padding=k // 2, groups=4 * C)  # [B, 4C, h, w]
    rows = four.permute(0, 2, 3, 1).reshape(B, h, w, 2, 2 * C).transpose(2, 3).reshape(B, 2 * h, 2 * w, C)
    return rows[:, :H, :W].permute(0, 3, 1, 2)


class SepConv(nn.Module):
    """The depthwise separable convolution of DARTS: applied twice, the stride in the first."""

    def __init__(self, C: int, kernel: int, stride: int, affine: bool = True, track_running_stats: bool = True) -> None:
        super().__init__()
        self.op = nn.Sequential(
            DilConv(C, kernel, stride, 1, affine, track_running_stats),
            DilConv(C, kernel, 1, 1, affine, track_running_stats),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.op(x)


class FactorizedReduce(nn.Module):
    """Halve the sides without losing a pixel: [B, C_in, H, W] to [B, C_out, ceil(H / 2), ceil(W / 2)].

    One 1x1 convolution sees the even rows and columns, a second one the odd ones; each gives half of C_out.
    """

    def __init__(self, C_in: int, C_out: int, affine: bool = True, track_running_stats: bool = True) -> None:
        super().__init__()
        # The convolutions see every other pixel and have stride 1: the CPU library's kernel for 1x1 convolutions of stride 2
        # (oneDNN 3.12 with AVX2, channels_last, fewer than 8 channels) writes past the end of its memory.
        self.even = nn.Conv2d(C_in, C_out // 2, 1, bias=False)
        self.odd = nn.Conv2d(C_in, C_out - C_out // 2, 1, bias=False)
        self.bn = nn.BatchNorm2d(C_out, affine=affine, track_running_stats=track_running_stats)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(x)
        even = x[:, :, ::2, ::2]  # [B, C_in, ceil(H / 2), ceil(W / 2)]
        odd = x[:, :, 1::2, 1::2]  # [B, C_in, floor(H / 2), floor(W / 2)]
        # One row or column of zeros at the far end: an odd side has one odd row less than even ones.
        odd = F.pad(odd, (0, even.shape[3] - odd.shape[3], 0, even.shape[2] - odd.shape[2]))
        return self.bn(torch.cat((self.even(even), self.odd(odd)), 1))  # [B, C_out, ceil(H / 2), ceil(W / 2)]


def concatenate(nodes: list[torch.Tensor]) -> torch.Tensor:
    """The nodes side by side, [B, C, H, W] each; their gradients, slices of one tensor, are made whole before they go on.

    Batch normalisation is slow on a slice, and a node's gradient goes to all its edges.
    """
    for node in nodes:
        if node.requires_grad:
            last = node.is_contiguous(memory_format=torch.channels_last)
            node.register_hook(_whole_last if last else torch.Tensor.contiguous)
    return torch.cat(nodes, 1)


def _whole_last(gradient: torch.Tensor) -> torch.Tensor:
    return gradient.contiguous(memory_format=torch.channels_last)


class Identity(nn.Module):
    """The skip connection of stride 1."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


class Zero(nn.Module):
    """No connection: zeros of the shape that an operation of this stride gives."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # Not a product with 0, which would turn an infinite activation into NaN.
        return torch.zeros_like(x[:, :, :: self.stride, :: self.stride])  # [B, C, ceil(H / stride), ceil(W / stride)]


def _pool(pool: nn.Module, C: int, pool_bn: bool, track_running_stats: bool) -> nn.Module:
    if not pool_bn:
        return pool
    return nn.Sequential(pool, nn.BatchNorm2d(C, affine=False, track_running_stats=track_running_stats))  # choice D24


class Operation(NamedTuple):
    """A candidate operation.

    Attributes:
        module: builds it from C, stride, affine, pool_bn and track_running_stats, which are those of ``build``.
        weights: whether it learns any where it keeps the sides.
    """

    module: Callable[[int, int, bool, bool, bool], nn.Module]
    weights: bool


# In the order of Sec. III-A. One more is one more entry, here and in the block `operations` of params.yaml.
OPERATIONS = {
    "skip_connect": Operation(
        lambda C, s, affine, _, track: Identity() if s == 1 else FactorizedReduce(C, C, affine, track), False
    ),
    "none": Operation(lambda C, s, affine, _, track: Zero(s), False),
    "sep_conv_3x3": Operation(lambda C, s, affine, _, track: SepConv(C, 3, s, affine, track), True),
    "dil_conv_3x3": Operation(lambda C, s, affine, _, track: DilConv(C, 3, s, 2, affine, track), True),
    "sep_conv_5x5": Operation(lambda C, s, affine, _, track: SepConv(C, 5, s, affine, track), True),
    "dil_conv_5x5": Operation(lambda C, s, affine, _, track: DilConv(C, 5, s, 2, affine, track), True),
    "avg_pool_3x3": Operation(
        lambda C, s, _, bn, track: _pool(nn.AvgPool2d(3, s, 1, count_include_pad=False), C, bn, track), False
    ),
    "max_pool_3x3": Operation(lambda C, s, _, bn, track: _pool(nn.MaxPool2d(3, s, 1), C, bn, track), False),
}


def build(name: str, C: int, stride: int, affine: bool, pool_bn: bool, track_running_stats: bool = True) -> nn.Module:
    """The candidate operation ``name`` (Sec. III-A).

    Args:
        name: one of ``OPERATIONS``.
        C: channels in and out.
        stride: 1, or 2 on the input nodes of a reduction cell.
        affine: learnable scale and shift in every BatchNorm: False in the super network, True in a derived network.
        pool_bn: BatchNorm without scale and shift after pooling (choice D24): True in the super network only.
        track_running_stats: running statistics in every BatchNorm; False evaluates with the batch's own.

    Raises:
        InputError: the name is unknown.
    """
    if name not in OPERATIONS:
        raise InputError(f"unknown operation {name!r:.80}; one of {', '.join(OPERATIONS)}")
    return OPERATIONS[name].module(C, stride, affine, pool_bn, track_running_stats)
