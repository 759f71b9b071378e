"""Augmentation of a whole batch on its device (Sec. IV-B, IV-C; choices D22, D29), and the order and halves of a data set.

Shapes: B images of a batch, N of the data set, H = W pixels a side. Every random number is drawn on the CPU from a generator that
the caller seeds, so that the same seed gives the same batches on every device.
"""

import functools
from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

CIFAR_SIZE = 32  # padding and cutout in params.yaml are given for images of this side


class Draws(NamedTuple):
    """What is drawn for each image of an epoch, all of shape [N]: int64 pixels, and bool for ``flip``."""

    offset_y: Tensor  # first row of the crop in the padded image, 0 .. 2 * padding
    offset_x: Tensor
    flip: Tensor
    cut_y: Tensor  # centre of the cutout, 0 .. H - 1
    cut_x: Tensor

    def batch(self, start: int, stop: int) -> "Draws":
        """The draws of the images ``start`` to ``stop - 1`` of the epoch."""
        return Draws(*(part[start:stop] for part in self))

    def to(self, device: torch.device | str) -> "Draws":
        """The draws on ``device``."""
        return Draws(*(part.to(device) for part in self))


def scaled(pixels: int, image_size: int) -> int:
    """A length given for 32-pixel images, in pixels of images of ``image_size``."""
    return round(pixels * image_size / CIFAR_SIZE)


def draw(count: int, image_size: int, padding: int, generator: torch.Generator) -> Draws:
    """Draws of an epoch of ``count`` images, on the CPU: everything uniform, a flip with probability 1/2.

    The cutout's centre is drawn whether or not it is used, so that cutout alone changes nothing else.
    """
    offset_y, offset_x = (torch.randint(2 * padding + 1, (count,), generator=generator) for _ in range(2))
    flip = torch.randint(2, (count,), generator=generator).bool()
    cut_y, cut_x = (torch.randint(image_size, (count,), generator=generator) for _ in range(2))
    return Draws(offset_y, offset_x, flip, cut_y, cut_x)


def normalise(images: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """uint8 [B, 3, H, W] to float32: (pixel / 255 - mean) / std by channel, mean and std in units of [0, 1]."""
    shift, scale = (_channels(tuple(values), images.device) for values in (mean, std))
    return images.float().div_(255).sub_(shift).div_(scale)


@functools.cache
def _channels(values: tuple[float, ...], device: torch.device) -> Tensor:
    """A value for each channel, [1, C, 1, 1], copied to the device once and not for every batch, for the host would wait."""
    return torch.tensor(values, device=device).view(1, -1, 1, 1)


def augment(images: Tensor, draws: Draws, padding: int, cutout: int, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Random crop of the zero-padded images, random flip, normalisation, cutout.

    Args:
        images: uint8 [B, 3, H, W].
        draws: of these B images, on the images' device.
        padding: pixels of zeros on each side before the crop.
        cutout: side in pixels of the square that is set to zero after normalisation, clipped at the border; 0: none.
        mean, std: of each channel, in units of [0, 1].

    Returns:
        float32 [B, 3, H, W].
    """
    height, width = images.shape[2:]
    down, right = (torch.arange(length, device=images.device) for length in (height, width))
    rows = draws.offset_y[:, None] + down  # [B, H], of the padded image
    columns = draws.offset_x[:, None] + torch.where(draws.flip[:, None], right.flip(0), right)  # [B, W]
    pixels = rows[:, :, None] * (width + 2 * padding) + columns[:, None, :]  # [B, H, W], counted row by row
    padded = F.pad(images, (padding,) * 4).flatten(2)  # [B, 3, (H + 2p) * (W + 2p)]
    crops = padded.gather(2, pixels.flatten(1)[:, None].expand(-1, images.shape[1], -1))  # choice D22
    result = normalise(crops.view(images.shape), mean, std)
    if cutout:  # choice D29
        rows = _covered(draws.cut_y, cutout, height)
        columns = _covered(draws.cut_x, cutout, width)
        result.masked_fill_(rows[:, None, :, None] & columns[:, None, None, :], 0)
    return result


def _covered(centre: Tensor, side: int, length: int) -> Tensor:
    """Which of ``length`` pixels lie in the cutout around ``centre`` [B]: bool [B, length] (DeVries & Taylor 2017)."""
    first = centre[:, None] - side // 2
    pixel = torch.arange(length, device=centre.device)
    return (pixel >= first) & (pixel < first + side)


def halves(labels: Tensor, split: Literal["balanced", "file_order"], generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """The training data in two: for the weights w and for alpha (Algorithm 1).

    Args:
        labels: int64 [N].
        split: ``balanced``: at random, each class divided evenly; ``file_order``: first and last half.
        generator: of the random split.

    Returns:
        Two sorted index tensors that differ in length by at most one, in all and within each class if ``balanced``.
    """
    indices = torch.arange(len(labels))
    if split == "file_order":
        middle = (len(labels) + 1) // 2
        return indices[:middle], indices[middle:]
    mixed = order(len(labels), generator)  # choice D23
    by_class = mixed[torch.argsort(labels[mixed], stable=True)]
    # Every other one of the classes laid end to end: where a class has an odd one out, the next class makes up for it.
    return by_class[0::2].sort().values, by_class[1::2].sort().values


def order(count: int, generator: torch.Generator) -> Tensor:
    """The order of an epoch: a permutation of ``count`` indices, int64."""
    return torch.randperm(count, generator=generator)
