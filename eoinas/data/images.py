"""An image set on the device, and which of its images are trained on and which are scored."""

from typing import Annotated, Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor

from eoinas import params, seeds
from eoinas.data import augment, imageset


class SplitParams(params.Section):
    """How the training images are halved for w and alpha (Sec. IV-A, choice D23)."""

    halves: Literal["balanced", "file_order"]
    seed: Annotated[int, Field(ge=0)]


class Images(NamedTuple):
    """A data set on the device, and which of its images are trained on and which are scored."""

    images: Tensor  # uint8 [N, 3, H, W]
    labels: Tensor  # int64 [N]
    train: Tensor  # int64, on the CPU
    scored: Tensor  # int64, on the CPU
    data: imageset.ImageSet


def standard_split(data: imageset.ImageSet, device: torch.device) -> Images:
    """All training images against all test images."""
    images = torch.cat([torch.from_numpy(data.train_images), torch.from_numpy(data.test_images)])
    labels = torch.cat([torch.from_numpy(data.train_labels), torch.from_numpy(data.test_labels)])
    index, border = torch.arange(len(images)), len(data.train_images)
    return Images(images.to(device), labels.to(device), index[:border], index[border:], data)


def halves(data: imageset.ImageSet, split: SplitParams, device: torch.device) -> Images:
    """The training images on the device, the weight half as ``train`` and the alpha half as ``test``."""
    images, labels = torch.from_numpy(data.train_images), torch.from_numpy(data.train_labels)
    weight, alpha = augment.halves(labels, split.halves, seeds.generator(split.seed, "halves"))
    return Images(images.to(device), labels.to(device), weight, alpha, data)
