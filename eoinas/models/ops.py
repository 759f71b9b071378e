"""The candidate operations of Sec. III-A, an entry of ``OPERATIONS`` each, and the small layers that glue cells together.

Shapes: B images, C channels, H x W a feature map's sides. Every operation maps [B, C, H, W] to
[B, C, ceil(H / stride), ceil(W / stride)], for odd sides too; the glue layers may change C.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from eoinas.errors import InputError
from eoinas.models import cpu


class Node:
    """The value of a node, and what several of its operations compute of it, once for all: its ReLU, and what is pooled."""

    def __init__(self, value: torch.Tensor) -> None:
        self.value = value
        self._found: dict[object, torch.Tensor] = {}

    @property
    def rectified(self) -> torch.Tensor:
        """ReLU of the value."""
        return self.once("relu", torch.relu)

    def once(self, name: object, function: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        """``function`` of the value, computed when ``name`` is first asked for."""
        if name not in self._found:
            self._found[name] = function(self.value)
        return self._found[name]


class Scale(NamedTuple):
    """What the output of an operation is multiplied with.

    Attributes:
        vector: [C], the same for every channel.
        one: its value is 1, and all that it is there for is its gradient.
    """

    vector: torch.Tensor
    one: bool

    def times(self, x: torch.Tensor) -> torch.Tensor:
        """The product with x [B, C, H, W]."""
        return _One.apply(x, self.vector) if self.one else x * self.vector[:, None, None]


class _One(torch.autograd.Function):
    """x, where the backward pass is that of a product with a vector [C] of ones."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, vector: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x)
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        (x,) = ctx.saved_tensors
        return gradient, (gradient * x).sum((0, 2, 3))


def nodes(s0: torch.Tensor, s1: torch.Tensor) -> tuple[Node, Node]:
    """The two inputs of a first cell as nodes: one and the same where they are one tensor."""
    first = Node(s0)
    return first, first if s1 is s0 else Node(s1)


class Block(nn.Module):
    """A module that begins with a ReLU and ends in a normalisation."""

    def forward(self, x: torch.Tensor, rectified: bool = False, scale: Scale | None = None) -> torch.Tensor:
        """Run it.

        Args:
            x: [B, C_in, H, W].
            rectified: x has been through the ReLU already.
            scale: of the output; None: as it is.
        """
        raise NotImplementedError


def run(operation: nn.Module, x: Node | torch.Tensor, scale: Scale | None = None) -> torch.Tensor:
    """What an operation, or any other module, makes of a node."""
    node = x if isinstance(x, Node) else Node(x)
    if isinstance(operation, Block):
        return operation(node.rectified, rectified=True, scale=scale)
    if isinstance(operation, NormalisedPool):
        return operation(node, scale)
    return _scaled(operation(node.value), scale)


def _scaled(x: torch.Tensor, scale: Scale | None) -> torch.Tensor:
    return x if scale is None else scale.times(x)


def _normalised(norm: nn.Module, x: torch.Tensor, scale: Scale | None) -> torch.Tensor:
    """``norm`` of x, scaled.

    A normalisation without weights of its own takes the scale for them: the sum over all pixels that is their gradient is one
    that its backward pass computes in any case.
    """
    if scale is not None and isinstance(norm, nn.BatchNorm2d) and not (norm.affine or norm.track_running_stats):
        return F.batch_norm(x, None, None, scale.vector, training=True, eps=norm.eps)
    return _scaled(norm(x), scale)


class ReLUConvBN(Block):
    """ReLU, convolution, BatchNorm: [B, C_in, H, W] to [B, C_out, H / stride, W / stride]."""

    def __init__(
        self, C_in: int, C_out: int, kernel: int, stride: int, affine: bool = True, track_running_stats: bool = True
    ) -> None:
        super().__init__()
        # A 1x1 convolution sees every other pixel, rather than have a stride: see ``cpu.every_other``.
        self.every = stride if kernel == 1 else 1
        self.op = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(C_in, C_out, kernel, stride // self.every, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(C_out, affine=affine, track_running_stats=track_running_stats),
        )

    def forward(self, x: torch.Tensor, rectified: bool = False, scale: Scale | None = None) -> torch.Tensor:
        relu, conv, bn = self.op
        x = x if self.every == 1 else x[:, :, :: self.every, :: self.every]
        return _normalised(bn, conv(x if rectified else relu(x)), scale)


class DepthwiseSeparable(Block):
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

    def forward(self, x: torch.Tensor, rectified: bool = False, scale: Scale | None = None) -> torch.Tensor:
        relu, depthwise, pointwise, bn = self.op
        x = x if rectified else relu(x)
        by_parts = depthwise.dilation == (2, 2) and cpu.trains(self.training, x)
        return _normalised(bn, pointwise(cpu.dilated(x, depthwise) if by_parts else depthwise(x)), scale)


class SepConv(Block):
    """The depthwise separable convolution of DARTS: applied twice, the stride in the first."""

    def __init__(self, C: int, kernel: int, stride: int, affine: bool = True, track_running_stats: bool = True) -> None:
        super().__init__()
        self.op = nn.Sequential(
            DepthwiseSeparable(C, kernel, stride, 1, affine, track_running_stats),
            DepthwiseSeparable(C, kernel, 1, 1, affine, track_running_stats),
        )

    def forward(self, x: torch.Tensor, rectified: bool = False, scale: Scale | None = None) -> torch.Tensor:
        first, second = self.op
        return second(torch.relu_(first(x, rectified)), rectified=True, scale=scale)  # no one else needs it without the ReLU


class FactorizedReduce(Block):
    """Halve the sides without losing a pixel: [B, C_in, H, W] to [B, C_out, ceil(H / 2), ceil(W / 2)].

    One 1x1 convolution sees the even rows and columns, a second one the odd ones; each gives half of C_out.
    """

    def __init__(self, C_in: int, C_out: int, affine: bool = True, track_running_stats: bool = True) -> None:
        super().__init__()
        self.even = nn.Conv2d(C_in, C_out // 2, 1, 2, bias=False)
        self.odd = nn.Conv2d(C_in, C_out - C_out // 2, 1, 2, bias=False)
        self.bn = nn.BatchNorm2d(C_out, affine=affine, track_running_stats=track_running_stats)

    def forward(self, x: torch.Tensor, rectified: bool = False, scale: Scale | None = None) -> torch.Tensor:
        x = x if rectified else torch.relu(x)
        if x.device.type == "cpu":
            halves = cpu.every_other(x, self.even, self.odd)
        else:  # without the first row and column, and zeros after the last
            halves = self.even(x), self.odd(F.pad(x, (-1, 1, -1, 1)))
        return _normalised(self.bn, torch.cat(halves, 1), scale)  # [B, C_out, ceil(H / 2), ceil(W / 2)]


class NormalisedPool(nn.Sequential):
    """Pooling and BatchNorm (choice D24)."""

    def __init__(self, pool: nn.Module, bn: nn.BatchNorm2d) -> None:
        super().__init__(pool, bn)
        self.name = repr(pool)  # the same for pools that do the same

    def forward(self, x: torch.Tensor | Node, scale: Scale | None = None) -> torch.Tensor:
        pool, bn = self
        node = x if isinstance(x, Node) else Node(x)
        return _normalised(bn, node.once(self.name, pool), scale)


def concatenate(nodes: list[torch.Tensor], training: bool) -> torch.Tensor:
    """The nodes of a cell, in training mode or not, side by side: [B, C, H, W] each to [B, nodes * C, H, W]."""
    cpu.whole_gradients(node for node in nodes if cpu.trains(training, node))
    return torch.cat(nodes, 1)


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


class Norm(NamedTuple):
    """How an operation normalises.

    Attributes:
        affine: learnable scale and shift in every BatchNorm: False in the super network, True in a derived network.
        pool_bn: BatchNorm without scale and shift after pooling (choice D24): True in the super network only.
        track_running_stats: running statistics in every BatchNorm; False evaluates with the batch's own.
    """

    affine: bool
    pool_bn: bool
    track_running_stats: bool


@dataclass(frozen=True)
class Operation:
    """A candidate operation.

    Attributes:
        build: (channels in and out, stride 1 or 2, norm) to the module.
        weights: whether it has parameters at stride 1.
    """

    build: Callable[[int, int, Norm], nn.Module]
    weights: bool


def _skip(C: int, stride: int, norm: Norm) -> nn.Module:
    return Identity() if stride == 1 else FactorizedReduce(C, C, norm.affine, norm.track_running_stats)


def _none(_C: int, stride: int, _norm: Norm) -> nn.Module:
    return Zero(stride)


def _convolution(kernel: int) -> Operation:
    def build(C: int, stride: int, norm: Norm) -> nn.Module:
        return ReLUConvBN(C, C, kernel, stride, norm.affine, norm.track_running_stats)

    return Operation(build, weights=True)


def _separable(kernel: int) -> Operation:
    return Operation(lambda C, stride, norm: SepConv(C, kernel, stride, norm.affine, norm.track_running_stats), weights=True)


def _dilated(kernel: int) -> Operation:
    def build(C: int, stride: int, norm: Norm) -> nn.Module:
        return DepthwiseSeparable(C, kernel, stride, 2, norm.affine, norm.track_running_stats)

    return Operation(build, weights=True)


def _pool(pool: Callable[..., nn.Module]) -> Operation:
    def build(C: int, stride: int, norm: Norm) -> nn.Module:
        module = pool(3, stride, padding=1)
        if not norm.pool_bn:
            return module
        return NormalisedPool(module, nn.BatchNorm2d(C, affine=False, track_running_stats=norm.track_running_stats))

    return Operation(build, weights=False)


# The candidate set O of Sec. III-A in the paper's order: 1) identity, 2) zero, 3) ... 8) max pooling; then those of NAS-Bench-201
# that it does not have.
OPERATIONS: dict[str, Operation] = {
    "skip_connect": Operation(_skip, weights=False),
    "none": Operation(_none, weights=False),
    "sep_conv_3x3": _separable(3),
    "dil_conv_3x3": _dilated(3),
    "sep_conv_5x5": _separable(5),
    "dil_conv_5x5": _dilated(5),
    "avg_pool_3x3": _pool(partial(nn.AvgPool2d, count_include_pad=False)),
    "max_pool_3x3": _pool(nn.MaxPool2d),
    "nor_conv_1x1": _convolution(1),
    "nor_conv_3x3": _convolution(3),
}
PAPER = tuple(OPERATIONS)[:8]  # those of Sec. III-A


def build(name: str, C: int, stride: int, affine: bool, pool_bn: bool, track_running_stats: bool = True) -> nn.Module:
    """The candidate operation ``name``.

    Args:
        name: a key of ``OPERATIONS``.
        C: channels in and out.
        stride: 1, or 2 on the input nodes of a reduction cell.
        affine, pool_bn, track_running_stats: see ``Norm``.

    Raises:
        InputError: the name is unknown.
    """
    if name not in OPERATIONS:
        raise InputError(f"unknown operation {name!r:.80}; one of {', '.join(OPERATIONS)}")
    return OPERATIONS[name].build(C, stride, Norm(affine, pool_bn, track_running_stats))
