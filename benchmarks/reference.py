"""Plain versions of what the project does fast: correct, written for the reader, used by the benchmarks and their tests alone.

The networks have the parameter names of those in ``eoinas.models``, so that one loads the weights of the other, and share no cell
and no operation with them: these are written as the public code of the field has them, in torch's usual layout (NCHW). The
supernet runs in two ways, as the soft sum over all live operations of an edge (DARTS) and with one operation an edge (GDAS). Each
step computes every gradient that autograd can reach, also those that it throws away.

Shapes: B batch, C channels, H, W height and width, E edges (14), O operations (8), L cells, K classes.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from eoinas.genotype import INPUTS, NODES, Genotype
from eoinas.models.aspp import ASPP
from eoinas.models.auxiliary import AuxiliaryHead
from eoinas.models.ops import PAPER as OPERATIONS
from eoinas.models.seg_cells import plan
from eoinas.models.seg_stem import SegStem
from eoinas.spaces.darts import EDGES

CLIP = 5.0  # norm of the gradients, of w and of alpha
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)  # of CIFAR-10's channels


class ReLUConvBN(nn.Module):
    """ReLU, convolution, BatchNorm."""

    def __init__(self, C_in: int, C_out: int, kernel: int, stride: int, affine: bool):
        super().__init__()
        self.op = nn.Sequential(
            nn.ReLU(), nn.Conv2d(C_in, C_out, kernel, stride, kernel // 2, bias=False), _batch_norm(C_out, affine)
        )

    def forward(self, x: Tensor) -> Tensor:
        """[B, C_in, H, W] to [B, C_out, H / stride, W / stride]."""
        return self.op(x)


class DepthwiseSeparable(nn.Module):
    """ReLU, depthwise convolution, pointwise convolution, BatchNorm."""

    def __init__(self, C: int, kernel: int, stride: int, dilation: int, affine: bool):
        super().__init__()
        padding = dilation * (kernel // 2)
        self.op = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(C, C, kernel, stride, padding, dilation, groups=C, bias=False),
            nn.Conv2d(C, C, 1, bias=False),
            _batch_norm(C, affine),
        )

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] to [B, C, H / stride, W / stride]."""
        return self.op(x)


class SepConv(nn.Module):
    """Twice ReLU, depthwise, pointwise, BatchNorm; the stride in the first."""

    def __init__(self, C: int, kernel: int, stride: int, affine: bool):
        super().__init__()
        self.op = nn.Sequential(DepthwiseSeparable(C, kernel, stride, 1, affine), DepthwiseSeparable(C, kernel, 1, 1, affine))

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] to [B, C, H / stride, W / stride]."""
        return self.op(x)


class FactorizedReduce(nn.Module):
    """Two 1x1 convolutions of stride 2, one shifted by a pixel, side by side; H and W are even."""

    def __init__(self, C_in: int, C_out: int, affine: bool):
        super().__init__()
        self.even = nn.Conv2d(C_in, C_out // 2, 1, stride=2, bias=False)
        self.odd = nn.Conv2d(C_in, C_out - C_out // 2, 1, stride=2, bias=False)
        self.bn = _batch_norm(C_out, affine)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C_in, H, W] to [B, C_out, H / 2, W / 2]."""
        x = torch.relu(x)
        return self.bn(torch.cat((self.even(x), self.odd(x[:, :, 1:, 1:])), 1))


class Zero(nn.Module):
    """A product with 0."""

    def __init__(self, stride: int):
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] to [B, C, H / stride, W / stride]."""
        return x[:, :, :: self.stride, :: self.stride].mul(0.0)


def operation(name: str, C: int, stride: int, affine: bool) -> nn.Module:
    """A candidate operation; in the supernet (``affine`` False) pooling has a BatchNorm."""
    match name:
        case "none":
            return Zero(stride)
        case "skip_connect":
            return nn.Identity() if stride == 1 else FactorizedReduce(C, C, affine)
        case "max_pool_3x3":
            return _pool(nn.MaxPool2d(3, stride, 1), C, affine)
        case "avg_pool_3x3":
            return _pool(nn.AvgPool2d(3, stride, 1, count_include_pad=False), C, affine)
        case "sep_conv_3x3" | "sep_conv_5x5":
            return SepConv(C, int(name[-1]), stride, affine)
        case "dil_conv_3x3" | "dil_conv_5x5":
            return DepthwiseSeparable(C, int(name[-1]), stride, 2, affine)
    raise ValueError(name)


def _pool(pool: nn.Module, C: int, affine: bool) -> nn.Module:
    return pool if affine else nn.Sequential(pool, _batch_norm(C, affine))


def _batch_norm(C: int, affine: bool) -> nn.BatchNorm2d:
    """Of a network that is trained (``affine``), or of the supernet, which has neither weights nor running statistics."""
    return nn.BatchNorm2d(C, affine=affine, track_running_stats=affine)


def _preprocess(C_prev_prev: int, C_prev: int, C: int, reduction_prev: bool, affine: bool) -> tuple[nn.Module, nn.Module]:
    """What brings a cell's two inputs to C channels and one size."""
    older = FactorizedReduce(C_prev_prev, C, affine) if reduction_prev else ReLUConvBN(C_prev_prev, C, 1, 1, affine)
    return older, ReLUConvBN(C_prev, C, 1, 1, affine)


def soft_sum(edge: nn.ModuleList, x: Tensor, weights: Tensor, live: Sequence[int]) -> Tensor:
    """DARTS: all live operations, each times its weight; ``weights`` [O]."""
    return sum(weights[o] * edge[o](x) for o in live)


def one_operation(edge: nn.ModuleList, x: Tensor, weights: Tensor, live: Sequence[int]) -> Tensor:
    """GDAS: the only operation in ``live``, times its weight, which is 1 and carries the gradient; ``weights`` [O]."""
    (drawn,) = live
    return weights[drawn] * edge[drawn](x)


Mixed = Callable[[nn.ModuleList, Tensor, Tensor, Sequence[int]], Tensor]


class SearchCell(nn.Module):
    """A cell with all operations on all edges."""

    def __init__(self, C_prev_prev: int, C_prev: int, C: int, reduction: bool, reduction_prev: bool):
        super().__init__()
        self.reduction = reduction
        self.preprocess0, self.preprocess1 = _preprocess(C_prev_prev, C_prev, C, reduction_prev, affine=False)
        self.edges = nn.ModuleList(
            nn.ModuleList(operation(name, C, 2 if reduction and i < INPUTS else 1, affine=False) for name in OPERATIONS)
            for i, _ in EDGES
        )

    def forward(self, s0: Tensor, s1: Tensor, weights: Tensor, live: list[list[int]], mixed: Mixed) -> Tensor:
        """[B, C_prev_prev, H', W'], [B, C_prev, H, W] to [B, 4C, H / stride, W / stride]; ``weights`` [E, O]."""
        states, edge = [self.preprocess0(s0), self.preprocess1(s1)], 0
        for _ in range(NODES):
            terms = []
            for x in states:
                terms.append(mixed(self.edges[edge], x, weights[edge], live[edge]))
                edge += 1
            states.append(sum(terms))
        return torch.cat(states[INPUTS:], 1)


class Supernet(nn.Module):
    """The supernet for CIFAR."""

    def __init__(self, C: int, layers: int, classes: int):
        super().__init__()
        width = 3 * C
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width, track_running_stats=False))
        self.cells = nn.ModuleList()
        C_prev_prev, C_prev, reduction_prev = width, width, False
        for layer in range(layers):
            reduction = layer in (layers // 3, 2 * layers // 3)
            C *= 2 if reduction else 1
            self.cells.append(SearchCell(C_prev_prev, C_prev, C, reduction, reduction_prev))
            C_prev_prev, C_prev, reduction_prev = C_prev, NODES * C, reduction
        self.classifier = nn.Linear(C_prev, classes)

    def forward(self, images: Tensor, weights: Tensor, live: list[list[list[int]]], mixed: Mixed) -> Tensor:
        """[B, 3, H, W] to logits [B, K]; ``weights`` [2, E, O], ``live``: for each cell and edge the operations that run."""
        s0 = s1 = self.stem(images)
        for cell in self.cells:
            kind = int(cell.reduction)
            s0, s1 = s1, cell(s0, s1, weights[kind], live[kind], mixed)
        return self.classifier(F.adaptive_avg_pool2d(s1, 1).flatten(1))


class SupernetSegmentation(nn.Module):
    """The supernet for street scenes; stem and ASPP, which are no part of the search, are the project's."""

    def __init__(self, C: int, cells: str, aspp_rates: Sequence[int], classes: int):
        super().__init__()
        self.stem = SegStem(C, track_running_stats=False)
        self.cells = nn.ModuleList()
        C_prev_prev, C_prev = self.stem.channels
        for width, reduction, reduction_prev in plan(cells, C):
            self.cells.append(SearchCell(C_prev_prev, C_prev, width, reduction, reduction_prev))
            C_prev_prev, C_prev = C_prev, NODES * width
        self.aspp = ASPP(C_prev, C_prev, aspp_rates, track_running_stats=False)
        self.classifier = nn.Conv2d(C_prev, classes, 1)

    def forward(self, images: Tensor, weights: Tensor, live: list[list[list[int]]], mixed: Mixed) -> Tensor:
        """[B, 3, H, W] to logits [B, K, H, W]; the other arguments are those of ``Supernet.forward``."""
        s0, s1 = self.stem(images)
        for cell in self.cells:
            kind = int(cell.reduction)
            s0, s1 = s1, cell(s0, s1, weights[kind], live[kind], mixed)
        return F.interpolate(self.classifier(self.aspp(s1)), images.shape[2:], mode="bilinear", align_corners=True)


def soft_weights(alpha: Tensor, alive: Tensor) -> Tensor:
    """Softmax of alpha over the live operations [2, E, O]."""
    return torch.softmax(alpha.masked_fill(~alive, -torch.inf), -1)


def hard_weights(alpha: Tensor, alive: Tensor, tau: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """The drawn operations [2, E], and weights [2, E, O]: one-hot forward, the gradient of the relaxation backward."""
    soft = torch.softmax(((alpha + tau) / temperature).masked_fill(~alive, -torch.inf), -1)
    index = soft.argmax(-1, keepdim=True)
    return index[..., 0], torch.zeros_like(soft).scatter_(-1, index, 1.0) - soft.detach() + soft


def live_lists(alive: Tensor) -> list[list[list[int]]]:
    """The numbers of the live operations; ``alive`` bool [2, E, O]."""
    return [[row.nonzero().flatten().tolist() for row in cell] for cell in alive]


def drawn_lists(index: Tensor) -> list[list[list[int]]]:
    """The drawn operation alone; ``index`` [2, E]."""
    return [[[operation] for operation in cell] for cell in index.tolist()]


def descend(loss: Tensor, network: nn.Module, alpha: Tensor, optimizer: torch.optim.Optimizer, clipped: list[Tensor]) -> Tensor:
    """Every gradient, of w and of alpha, then a step of ``optimizer``, which owns the parameters ``clipped``."""
    network.zero_grad()
    alpha.grad = None
    loss.backward()
    nn.utils.clip_grad_norm_(clipped, CLIP)
    optimizer.step()
    return loss.detach()


class DerivedCell(nn.Module):
    """The cell that a genotype describes: two edges a node."""

    def __init__(self, genotype: Genotype, C_prev_prev: int, C_prev: int, C: int, reduction: bool, reduction_prev: bool):
        super().__init__()
        edges = genotype.reduce if reduction else genotype.normal
        self.concat = genotype.reduce_concat if reduction else genotype.normal_concat
        self.sources = [source for _, source in edges]
        self.preprocess0, self.preprocess1 = _preprocess(C_prev_prev, C_prev, C, reduction_prev, affine=True)
        self.ops = nn.ModuleList(
            operation(name, C, 2 if reduction and source < INPUTS else 1, affine=True) for name, source in edges
        )

    def forward(self, s0: Tensor, s1: Tensor, keep: Tensor) -> Tensor:
        """Run the cell; ``keep`` [8, B] is what each edge but an identity is multiplied with for each image (drop path)."""
        states = [self.preprocess0(s0), self.preprocess1(s1)]
        for node in range(NODES):
            terms = []
            for edge in (2 * node, 2 * node + 1):
                y = self.ops[edge](states[self.sources[edge]])
                terms.append(y if isinstance(self.ops[edge], nn.Identity) else y * keep[edge].view(-1, 1, 1, 1))
            states.append(terms[0] + terms[1])
        return torch.cat([states[node] for node in self.concat], 1)


class Derived(nn.Module):
    """The networks of the training: a stem, L cells, the auxiliary head after cell 2 L // 3, a classifier.

    Args:
        stem: ``cifar`` or ``imagenet``.
        size: side of the images, in pixels.
    """

    def __init__(self, stem: str, genotype: Genotype, C: int, layers: int, classes: int, size: int):
        super().__init__()
        self.two_stems = stem == "imagenet"
        self.stem0, width, side = (_imagenet_stem(C), C, size // 8) if self.two_stems else (_cifar_stem(C), 3 * C, size)
        if self.two_stems:
            self.stem1 = ReLUConvBN(C, C, 3, 2, affine=True)
        self.cells, self.auxiliary_after = nn.ModuleList(), 2 * layers // 3
        C_prev_prev, C_prev, reduction_prev = width, width, self.two_stems
        for layer in range(layers):
            reduction = layer in (layers // 3, 2 * layers // 3)
            C, side = (2 * C, -(-side // 2)) if reduction else (C, side)
            cell = DerivedCell(genotype, C_prev_prev, C_prev, C, reduction, reduction_prev)
            self.cells.append(cell)
            C_prev_prev, C_prev, reduction_prev = C_prev, len(cell.concat) * C, reduction
            if layer == self.auxiliary_after:
                self.auxiliary = AuxiliaryHead(C_prev, classes, side, size)
        self.classifier = nn.Linear(C_prev, classes)

    def forward(self, images: Tensor, keep: Tensor) -> tuple[Tensor, Tensor]:
        """[B, 3, H, W] to the logits of both classifiers [B, K]; ``keep`` [L, 8, B] as in ``DerivedCell.forward``."""
        s0 = s1 = self.stem0(images)
        if self.two_stems:
            s1 = self.stem1(s0)
        for layer, cell in enumerate(self.cells):
            s0, s1 = s1, cell(s0, s1, keep[layer])
            if layer == self.auxiliary_after:
                auxiliary = self.auxiliary(s1)
        return self.classifier(F.adaptive_avg_pool2d(s1, 1).flatten(1)), auxiliary


def _cifar_stem(C: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 3 * C, 3, padding=1, bias=False), nn.BatchNorm2d(3 * C))


def _imagenet_stem(C: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, C // 2, 3, 2, padding=1, bias=False), nn.BatchNorm2d(C // 2), ReLUConvBN(C // 2, C, 3, 2, affine=True)
    )


class PilImages(torch.utils.data.Dataset):
    """The usual transforms of CIFAR, an image at a time: crop, flip, normalisation, cutout.

    Args:
        images: uint8 [N, H, W, 3]. labels: [N].
        padding: of the crop. cutout: side of the square that is set to zero. Both in pixels.
    """

    def __init__(self, images: np.ndarray, labels: Sequence[int], padding: int, cutout: int):
        from torchvision import transforms

        self.images, self.labels, self.cutout = images, labels, cutout
        self.transform = transforms.Compose(
            [
                transforms.RandomCrop(images.shape[1], padding),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(MEAN, STD),
            ]
        )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = self.transform(Image.fromarray(self.images[index]))
        height, width = image.shape[1:]
        mask = np.ones((height, width), np.float32)
        (y, x), half = torch.randint(height, (2,)).tolist(), self.cutout // 2
        mask[max(y - half, 0) : y + half, max(x - half, 0) : x + half] = 0
        return image * torch.from_numpy(mask), self.labels[index]
