"""An image set on the device, and which of its images are trained on and which are scored."""

from typing import Annotated, Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor

from eoinas import params, seeds
from eoinas.data import augment, imageset
from eoinas.errors import InputError


class SplitParams(params.Section):
    """How the training images are halved for w and alpha (Sec. IV-A, choice D23)."""

    halves: Literal["balanced", "file_order"]
    seed: Annotated[int, Field(ge=0)]


class Images(NamedTuple):
    """A data set on the device, and which of its images are trained on and which are scored."""

    images: Tensor  # uint8 [N, 3, H, W]
    labels: Tensor  # int64 [N]
    train: Tensor  # int64, on the CPU: the training images; in a search, its weight half
    scored: Tensor  # int64, on the CPU: the test images; in a search, its alpha half
    data: imageset.ImageSet


def standard_split(data: imageset.ImageSet, device: torch.device) -> Images:
    """All training images against all test images."""
    images = torch.cat([torch.from_numpy(data.train_images), torch.from_numpy(data.test_images)])
    labels = torch.cat([torch.from_numpy(data.train_labels), torch.from_numpy(data.test_labels)])
    index, border = torch.arange(len(images)), len(data.train_images)
    return Images(images.to(device), labels.to(device), index[:border], index[border:], data)


def halves(data: imageset.ImageSet, split: SplitParams, device: torch.device) -> Images:
    """The training images on the device in two halves, for w and for alpha; the test images are left out.

    Raises:
        InputError: a half would have fewer than two images, or ``file_order`` would give the halves different classes.
    """
    images, labels = torch.from_numpy(data.train_images), torch.from_numpy(data.train_labels)
    fewest = 2 * imageset.FEWEST
    if len(labels) < fewest:
        raise InputError(
            f"the search needs at least {fewest} training images, {imageset.FEWEST} in each half, and its data set has "
            f"{len(labels)}; add some and prepare the data again"
        )
    if split.halves == "file_order" and len(labels.unique()) > 1 and _class_by_class(labels):
        raise InputError(
            f"{params.FILE}: split.halves: file_order would put the first classes into one half and the last into the other, "
            "for these images lie class by class; set it to balanced"
        )
    weight, alpha = augment.halves(labels, split.halves, seeds.generator(split.seed, "halves"))
    return Images(images.to(device), labels.to(device), weight, alpha, data)


def _class_by_class(labels: Tensor) -> bool:
    return int(labels.diff().ne(0).sum()) == len(labels.unique()) - 1


def mixed(images: Images, generator: torch.Generator) -> Images:
    """The same images, the scored ones in random order: where they lie class by class, a batch then holds many classes."""
    return images._replace(scored=images.scored[augment.order(len(images.scored), generator)])
