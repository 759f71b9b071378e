"""Any data set of one's own: a folder of images for each class, in the layout of torchvision's ImageFolder."""

from pathlib import Path

import numpy as np

from eoinas.data import imageset, rgb
from eoinas.errors import InputError


def read(folder: Path | str, size: int) -> imageset.ImageSet:
    """``<folder>/train/<class>/*`` and ``<folder>/test/<class>/*`` (``val`` where there is no ``test``), in sorted order.

    Every image is made RGB, its short side brought to ``size`` pixels and its centre cut out, so it is ``size`` x ``size``.
    The classes are the training split's, and a class may be absent from the test split.

    Raises:
        InputError: a split is missing, a class is empty or known to the test split only, or an image cannot be read.
    """
    folder = Path(folder)
    train = classes_of(split_folder(folder, "train"))
    test = classes_of(split_folder(folder, "test", "val"))
    classes = tuple(train)
    for name, paths in test.items():
        if name not in train:
            raise InputError(f"{paths[0].parent}: a class that the training images lack; add {folder / 'train' / name}")
    return imageset.build(_images(train, classes, size), _images(test, classes, size), classes, folder)


def split_folder(folder: Path, *names: str) -> Path:
    """The first of the folders ``names`` that is there.

    Raises:
        InputError: none is.
    """
    for name in names:
        if (folder / name).is_dir():
            return folder / name
    raise InputError(f"{folder / names[0]}: no such folder; it must hold one folder of images for each class")


def classes_of(split: Path) -> dict[str, list[Path]]:
    """The images of each class, both sorted by name.

    Raises:
        InputError: there is no class, or a class without images.
    """
    found = {}
    for path in sorted(split.iterdir()):
        if path.is_dir() and not path.name.startswith("."):
            images = (p for p in path.iterdir() if p.suffix.lower() in rgb.SUFFIXES and not p.name.startswith("."))
            found[path.name] = sorted(images)
            if not found[path.name]:
                raise InputError(f"{path}: a class without images ({', '.join(rgb.SUFFIXES)}); add some or remove the folder")
    if not found:
        raise InputError(f"{split}: holds no folder; it must hold one folder of images for each class")
    return found


def _images(listing: dict[str, list[Path]], classes: tuple[str, ...], size: int) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 [N, 3, size, size] and labels int64 [N]."""
    labelled = [(path, classes.index(name)) for name, paths in listing.items() for path in paths]
    images = np.empty((len(labelled), 3, size, size), dtype=np.uint8)
    for index, (path, _) in enumerate(labelled):
        images[index] = _image(path, size).transpose(2, 0, 1)
    return images, np.array([label for _, label in labelled], dtype=np.int64)


def _image(path: Path, size: int) -> np.ndarray:
    """One image as uint8 [size, size, 3]."""
    from PIL import Image

    colour = rgb.read(path)
    short = min(colour.size)
    width, height = (max(size, round(side * size / short)) for side in colour.size)
    resized = colour.resize((width, height), Image.Resampling.BILINEAR)
    left, top = (width - size) // 2, (height - size) // 2
    return np.asarray(resized.crop((left, top, left + size, top + size)))
