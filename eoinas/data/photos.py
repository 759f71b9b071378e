"""Photographs for training and scoring a classifier (choice D34): read, augmented by timm's transforms, normalised."""

import random
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from eoinas.data import rgb
from eoinas.data.imagenet import Split

CROP = 224 / 256  # of the short side, in evaluation: 256 pixels to the centre 224
JITTER = (0.4, 0.4, 0.4, 0.2)  # brightness, contrast, saturation, hue


class Photos:
    """A dataset for ``file_batches``: a sample is an image float32 [3, image_size, image_size] and its class, int64.

    Args:
        folder: where the images lie.
        split: which.
        image_size: side in pixels of what the network sees.
        training: random crop, flip and colour jitter; else the centre.
    """

    def __init__(self, folder: Path, split: Split, image_size: int, training: bool):
        self._folder, self._split = folder, split
        self._transform = transform(image_size, training)

    def __len__(self) -> int:
        return len(self._split.paths)

    def sample(self, index: int, seed: int) -> tuple[Tensor, Tensor]:
        """The image number ``index`` as ``seed`` has it.

        Raises:
            InputError: it cannot be read.
        """
        image = rgb.read(self._folder / str(self._split.paths[index]))
        # The transforms draw from the two global generators, which are put back as they were.
        states = random.getstate(), torch.get_rng_state()
        random.seed(seed)
        torch.default_generator.manual_seed(seed)
        try:
            return self._transform(image), torch.tensor(self._split.labels[index])
        finally:
            random.setstate(states[0])
            torch.set_rng_state(states[1])


def transform(image_size: int, training: bool) -> Callable:
    """timm's transform from a PIL image to float32 [3, image_size, image_size], with ImageNet's mean and deviation."""
    from timm.data import create_transform

    return create_transform(
        image_size,
        is_training=training,
        color_jitter=JITTER,  # choice D34
        auto_augment=None,
        re_prob=0.0,
        interpolation="bilinear",
        crop_pct=CROP,
    )
