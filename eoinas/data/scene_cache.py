"""Street scenes decoded once: raw pixels in files that are mapped into memory, of which a crop reads what it needs.

A PNG has to be decoded whole, and for a scene of Cityscapes that costs many times what the crop does. A file of the cache is an
array uint8 [height, width, 4] of red, green, blue and train id. It is written when its scene is first read and has no checksum:
the pixels are the same with and without a cache, as long as the disk keeps them.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from eoinas import formats
from eoinas.data import cityscapes
from eoinas.data.cityscapes import Pair
from eoinas.data.cityscapes_labels import CLASSES, IGNORE
from eoinas.errors import InputError

if TYPE_CHECKING:
    from PIL import Image

BYTES = 4  # of a pixel


def size(pairs: Iterable[Pair]) -> int:
    """Bytes that the decoded scenes take."""
    return sum(BYTES * pair.width * pair.height for pair in pairs)


def cut(
    root: Path, pair: Pair, cache: Path | None, sides: tuple[int, int], window: tuple[float, float, float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """A window of a scene, resized: picture uint8 [height, width, 3], bilinear, and train ids uint8 [height, width], nearest.

    Args:
        cache: folder of the decoded scenes; None: the files are decoded.
        sides: width and height that the window is brought to, in pixels.
        window: left, top, right and bottom of it, in pixels of the scene.

    Raises:
        InputError: a file cannot be read, or the disk is full.
    """
    from PIL import Image

    # Only the window is resized: the picture as a whole, at twice its size, would cost many times as much.
    if cache is None:
        picture = cityscapes.image(root, pair).resize(sides, Image.Resampling.BILINEAR, window)
        labels = Image.fromarray(cityscapes.labels(root, pair)).resize(sides, Image.Resampling.NEAREST, window)
        return np.asarray(picture), np.asarray(labels)
    scene, path = _mapped(root, pair, cache)
    picture, labels = (scene.resize(sides, how, window) for how in (Image.Resampling.BILINEAR, Image.Resampling.NEAREST))
    ids = np.asarray(labels)[..., 3]
    if ((ids >= len(CLASSES)) & (ids != IGNORE)).any():
        raise InputError(f"{path}: holds a class that is none, so the disk has changed it; delete the file")
    return np.asarray(picture)[..., :3], ids


def _mapped(root: Path, pair: Pair, cache: Path) -> tuple[Image.Image, Path]:
    """The scene as an image of four channels that reads its pixels from the file when they are asked for, and that file."""
    from PIL import Image

    path = cache / f"{pair.image}.npy"
    pixels = _read(path, pair)
    if pixels is None:
        ids = cityscapes.labels(root, pair)
        formats.write_array(path, np.dstack([np.asarray(cityscapes.image(root, pair)), ids]))
        pixels = _read(path, pair)
        if pixels is None:
            raise InputError(f"{path}: cannot be read back after it was written; set cityscapes_data.cache to another folder")
    return Image.frombuffer("RGBX", (pair.width, pair.height), pixels, "raw", "RGBX", 0, 1), path


def _read(path: Path, pair: Pair) -> np.ndarray | None:
    """The mapped array, or None where there is none or another one."""
    try:
        pixels = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception:  # a damaged header can raise anything at all
        return None
    fits = isinstance(pixels, np.memmap) and pixels.dtype == np.uint8 and pixels.flags.c_contiguous
    return pixels if fits and pixels.shape == (pair.height, pair.width, BYTES) else None
