"""Any data set of one's own: a folder of images for each class, in the layout of torchvision's ImageFolder."""

from pathlib import Path

import numpy as np

from eoinas.data import imageset, listing, rgb
from eoinas.errors import InputError


def read(folder: Path | str, size: int) -> imageset.ImageSet:
    """``<folder>/train/<class>/**`` and ``<folder>/test/<class>/**`` (``val`` where there is no ``test``), in sorted order.

    Every image is made RGB, its short side brought to ``size`` pixels and its centre cut out, so it is ``size`` x ``size``.
    The classes are the training split's, and a class may be absent from the test split.

    Raises:
        InputError: a split is missing, a class is empty or known to the test split only, there are fewer than two classes, or an
            image cannot be read.
    """
    folder = Path(folder)
    train, scored = split_folder(folder, "train"), split_folder(folder, "test", "val")
    train_images, test_images = classes_of(train), classes_of(scored)
    classes = tuple(train_images)
    for name in test_images:
        if name not in train_images:
            raise InputError(f"{scored / name}: a class that the training images lack; add {train / name}")
    count, fewest = sum(map(len, train_images.values())), imageset.FEWEST
    if count < fewest:
        raise InputError(f"{train}: holds {count} image; training needs at least {fewest}, a search {2 * fewest}; add some")
    if len(classes) < 2:
        raise InputError(f"{train}: holds one class, {classes[0]}; add a folder of images for each other class")
    return imageset.build(_images(train_images, classes, size), _images(test_images, classes, size), classes, folder)


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
    """The images of each class, in the class's folder and in those below it, both sorted by name.

    Prints which files are not taken, as no reader knows their suffix or they lie in no class.

    Raises:
        InputError: there is no class, a class is without images, or a name is none that a manifest can hold.
    """
    found, others = {}, {}
    for name in listing.folders(split):
        images, others[name] = listing.below(split / name, rgb.is_image)
        found[name] = [split / name / image for image in images]
        if not images:
            raise InputError(f"{split / name}: a class without images ({', '.join(rgb.SUFFIXES)}); add some or remove the folder")
    if not found:
        raise InputError(f"{split}: holds no folder; it must hold one folder of images for each class")
    listing.tell(listing.files(split), split, ", for they lie in no class")
    holding = [name for name in others if others[name]]
    if holding:
        more = f" and {len(holding) - 1} other class{'es' * (len(holding) > 2)}" if holding[1:] else ""
        listing.tell([file for name in holding for file in others[name]], f"{split / holding[0]}{more}")
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
