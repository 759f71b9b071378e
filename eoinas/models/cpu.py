"""The same mathematics in another order, for the sake of CPUs alone; on any other device ``eoinas.models.ops`` runs as it reads.

| What | Where | When |
|---|---|---|
| ``dilated`` | depthwise convolutions of dilation 2 | in training, where ``trains`` says so |
| ``whole_gradients`` | the nodes that a cell concatenates | in training, where ``trains`` says so |
| ``every_other`` | 1x1 convolutions of stride 2 | always |

What is for training alone keeps out of evaluation, so that a network that is traced or exported there is the plain one.
Shapes: B images, C channels, H x W a feature map's sides.
"""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import nn


def trains(training: bool, x: torch.Tensor) -> bool:
    """Whether a module in training mode, or not, has a backward pass through ``x`` to run on a CPU."""
    return training and x.device.type == "cpu" and x.requires_grad


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


def every_other(x: torch.Tensor, even: nn.Conv2d, odd: nn.Conv2d) -> tuple[torch.Tensor, torch.Tensor]:
    """The two 1x1 convolutions of stride 2 of ``ops.FactorizedReduce`` as such of stride 1 over every other pixel.

    The library's kernel for the former (oneDNN 3.12 with AVX2, channels_last, fewer than 8 channels) writes past the end of its
    memory.

    Returns:
        [B, C_out, ceil(H / 2), ceil(W / 2)] each, the first of the even rows and columns, the second of the odd ones.
    """
    first = x[:, :, ::2, ::2]  # [B, C, ceil(H / 2), ceil(W / 2)]
    second = x[:, :, 1::2, 1::2]  # [B, C, floor(H / 2), floor(W / 2)]
    # One row or column of zeros at the far end: an odd side has one odd row less than even ones.
    second = F.pad(second, (0, first.shape[3] - second.shape[3], 0, first.shape[2] - second.shape[2]))
    return F.conv2d(first, even.weight), F.conv2d(second, odd.weight)


def whole_gradients(nodes: Iterable[torch.Tensor]) -> None:
    """Have the gradients of what is concatenated, slices of one tensor, made whole before they go on.

    Batch normalisation is slow on a slice, and a node's gradient goes to all its edges.
    """
    for node in nodes:
        last = node.is_contiguous(memory_format=torch.channels_last)
        node.register_hook(_whole_last if last else torch.Tensor.contiguous)


def _whole_last(gradient: torch.Tensor) -> torch.Tensor:
    return gradient.contiguous(memory_format=torch.channels_last)
