"""Street scenes as training samples: scaled, cropped, flipped (Sec. V-B and V-C; choices D44, D45).

Everything random about a sample follows from the seed that it is drawn with.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor

from eoinas import params, seeds
from eoinas.data import augment, scene_cache
from eoinas.data.cityscapes import FEWEST, Pair
from eoinas.data.cityscapes_labels import IGNORE
from eoinas.errors import InputError

# Of ImageNet, in units of [0, 1]: the pretrained backbone was trained on these.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class CropParams(params.Section):
    """How a picture becomes a sample.

    Attributes:
        short_side: pixels that the short side is brought to before all else; 0 leaves the picture as it is.
        scale_min, scale_max: the picture is scaled by a factor between these, uniform.
        crop: side of the square that is cut out at random; what the picture lacks is padded.
    """

    short_side: Annotated[int, Field(ge=0)]
    scale_min: params.PositiveFloat
    scale_max: params.PositiveFloat
    crop: Annotated[int, Field(ge=32)]

    @model_validator(mode="after")
    def _ordered(self) -> "CropParams":
        if self.scale_min > self.scale_max:
            raise ValueError("scale_min must not be above scale_max")
        return self


class Crops:
    """The samples of ``data.file_batches``: crop float32 [3, S, S], and train ids uint8 [S, S], 255 where nothing counts.

    Args:
        root: of the paths in ``pairs``.
        settings: S is ``settings.crop``.
        cache: folder of ``data.scene_cache``; None: files are decoded whenever they are needed.
    """

    def __init__(self, root: Path, pairs: Sequence[Pair], settings: CropParams, cache: Path | None = None):
        self._root, self._pairs, self._settings, self._cache = root, pairs, settings, cache

    def __len__(self) -> int:
        return len(self._pairs)

    def sample(self, index: int, seed: int) -> tuple[Tensor, Tensor]:
        """Sample ``index``, drawn with ``seed``."""
        pair, settings = self._pairs[index], self._settings
        scale_draw, x_draw, y_draw, flip_draw = torch.rand(4, generator=torch.Generator().manual_seed(seed)).tolist()
        scale = settings.scale_min + (settings.scale_max - settings.scale_min) * scale_draw
        if settings.short_side:  # choice D44
            scale *= settings.short_side / min(pair.width, pair.height)
        sides, box = [], []
        for length, draw in ((pair.width, x_draw), (pair.height, y_draw)):
            scaled = max(1, round(length * scale))
            side = min(settings.crop, scaled)
            first = int(draw * (scaled - side + 1))  # choice D45
            sides.append(side)
            box.append((first * length / scaled, (first + side) * length / scaled))
        window = (box[0][0], box[1][0], box[0][1], box[1][1])
        picture, labels = scene_cache.cut(self._root, pair, self._cache, tuple(sides), window)
        image, target = normalise(picture), torch.from_numpy(np.array(labels))
        if flip_draw < 0.5:
            image, target = image.flip(2), target.flip(1)
        right, bottom = (settings.crop - side for side in sides)
        if right or bottom:  # with the mean colour, which does not count
            image = torch.nn.functional.pad(image, (0, right, 0, bottom))
            target = torch.nn.functional.pad(target, (0, right, 0, bottom), value=IGNORE)
        return image.contiguous(), target.contiguous()


def normalise(picture: np.ndarray) -> Tensor:
    """uint8 [H, W, 3] to float32 [3, H, W] with ImageNet's mean and standard deviation."""
    return augment.normalise(torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None], MEAN, STD)[0]


def halves(pairs: Sequence[Pair], seed: int) -> tuple[list[Pair], list[Pair]]:
    """The training pictures in two at random, for w and for alpha (Sec. V-A); of an odd number the first has one more.

    Raises:
        InputError: there are too few.
    """
    if len(pairs) < 2 * FEWEST:
        raise InputError(
            f"the search needs at least {2 * FEWEST} training scenes, {FEWEST} in each half, and there are {len(pairs)}; "
            "add some and prepare the data again"
        )
    order = augment.order(len(pairs), seeds.generator(seed, "segmentation halves")).tolist()
    middle = (len(pairs) + 1) // 2
    return [pairs[i] for i in sorted(order[:middle])], [pairs[i] for i in sorted(order[middle:])]
