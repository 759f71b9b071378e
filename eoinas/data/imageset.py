"""A classification data set in memory and on disk: whatever its source, every later stage sees these arrays only."""

import hashlib
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from eoinas import files, formats
from eoinas.errors import InputError

META = "meta.json"
FEWEST = 2  # training images: one has no spread to normalise by; a search needs as many in each half
LEVELS = 255  # a uint8 pixel of 255 is 1.0


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Square colour images with their classes.

    Attributes:
        train_images: uint8 [N, 3, H, W], RGB.
        train_labels: int64 [N], indices into ``classes``.
        test_images: uint8 [T, 3, H, W].
        test_labels: int64 [T].
        classes: the classes' names.
        mean: of each channel of the training images, pixels in [0, 1].
        std: of each channel of the training images, pixels in [0, 1].
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    classes: tuple[str, ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


class _Meta(BaseModel):
    """meta.json: what the arrays beside it must be."""

    model_config = ConfigDict(extra="forbid", strict=True)

    source: str
    train_count: Annotated[int, Field(ge=FEWEST)]
    test_count: Annotated[int, Field(gt=0)]
    image_size: Annotated[int, Field(gt=0)]
    classes: Annotated[list[str], Field(min_length=1)]
    mean: Annotated[list[Annotated[float, Field(ge=0, le=1)]], Field(min_length=3, max_length=3)]
    std: Annotated[list[Annotated[float, Field(gt=0, le=1)]], Field(min_length=3, max_length=3)]


def statistics(images: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel of uint8 [N, 3, H, W], pixels in [0, 1], rounded to 6 decimals.

    The sums are of integers, so the result depends neither on the order of summation nor on the machine.
    """
    means, stds = [], []
    for channel in range(images.shape[1]):
        blocks = (images[start : start + 1000, channel] for start in range(0, len(images), 1000))
        counts = sum(np.bincount(block.ravel(), minlength=LEVELS + 1) for block in blocks).tolist()
        total = sum(counts)
        first = sum(level * count for level, count in enumerate(counts))
        second = sum(level * level * count for level, count in enumerate(counts))
        means.append(round(first / (total * LEVELS), 6))
        stds.append(round(sqrt(total * second - first * first) / (total * LEVELS), 6))
    return tuple(means), tuple(stds)


def averaged(data: ImageSet, pixels: int, where: str) -> ImageSet:
    """The same images smaller: each square of ``pixels`` by ``pixels`` becomes its mean, to the nearest level, halves to even.

    Raises:
        InputError: the side of the images is no multiple of ``pixels``; the message begins with ``where``.
    """
    side = data.train_images.shape[-1]
    if side % pixels:
        raise InputError(f"{where}: the images are {side} pixels wide, which is no multiple of {pixels}")

    def smaller(images: np.ndarray) -> np.ndarray:
        count, channels = images.shape[:2]
        squares = images.reshape(count, channels, side // pixels, pixels, side // pixels, pixels)
        return np.rint(squares.mean((3, 5), dtype=np.float32)).astype(np.uint8)

    train, test = smaller(data.train_images), smaller(data.test_images)
    return build((train, data.train_labels), (test, data.test_labels), data.classes, where)


def build(
    train: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray], classes: tuple[str, ...], where: Path | str
) -> ImageSet:
    """An ``ImageSet`` from (images, labels) of the two splits; ``where`` names the source for the message.

    Raises:
        InputError: there are too few images, or a channel has the same value in every training pixel and cannot be normalised.
    """
    if len(train[1]) < FEWEST or not len(test[1]):
        raise InputError(
            f"{where}: {len(train[1])} training and {len(test[1])} test images; training needs at least {FEWEST} and scoring 1"
        )
    mean, std = statistics(train[0])
    if min(std) == 0:
        raise InputError(f"{where}: the training images are constant in one colour channel; give it images that differ")
    return ImageSet(*train, *test, classes, mean, std)


def save(folder: Path | str, imageset: ImageSet, source: str) -> None:
    """Write the four arrays and meta.json; equal sets are equal bytes. ``source`` tells what the images are."""
    meta = _Meta(
        source=source,
        train_count=len(imageset.train_images),
        test_count=len(imageset.test_images),
        image_size=imageset.train_images.shape[-1],
        classes=list(imageset.classes),
        mean=list(imageset.mean),
        std=list(imageset.std),
    )
    with files.replacing_folder(folder) as temporary:
        for split in ("train", "test"):
            for kind in ("images", "labels"):
                formats.write_array(temporary / f"{split}_{kind}.npy", getattr(imageset, f"{split}_{kind}"))
        formats.write_json(temporary / META, meta.model_dump())


def load(folder: Path | str) -> ImageSet:
    """Read what ``save`` wrote.

    Raises:
        InputError: a file is missing or damaged, or an array is not what meta.json says.
    """
    folder = Path(folder)
    meta = _meta(folder / META)
    arrays = {}
    for split, count in (("train", meta.train_count), ("test", meta.test_count)):
        shape = (count, 3, meta.image_size, meta.image_size)
        arrays[f"{split}_images"] = _array(folder / f"{split}_images.npy", np.uint8, shape)
        labels = _array(folder / f"{split}_labels.npy", np.int64, (count,))
        if labels.min() < 0 or labels.max() >= len(meta.classes):
            raise InputError(f"{folder / f'{split}_labels.npy'}: a label is outside 0..{len(meta.classes) - 1}; {_AGAIN}")
        arrays[f"{split}_labels"] = labels
    return ImageSet(**arrays, classes=tuple(meta.classes), mean=tuple(meta.mean), std=tuple(meta.std))


def source(folder: Path | str) -> dict:
    """What the images in ``folder`` are: ``source``, ``image_size`` in pixels and the number of ``classes``.

    Raises:
        InputError: meta.json is missing or damaged.
    """
    meta = _meta(Path(folder) / META)
    return {"source": meta.source, "image_size": meta.image_size, "classes": len(meta.classes)}


def digest(folder: Path | str) -> str:
    """SHA-256 of what ``save`` wrote to ``folder``."""
    members = sorted(Path(folder).iterdir())
    return hashlib.sha256("".join(f"{path.name} {files.sha256(path)}\n" for path in members).encode()).hexdigest()


_AGAIN = "delete the folder and prepare the data again"


def _meta(path: Path) -> _Meta:
    if not path.exists():
        raise InputError(f"{path}: no such file; prepare the data first (`dvc repro`, or python -m stages.data_...)")
    try:
        return _Meta.model_validate(formats.read_json(path))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"])) or "the whole"
        raise InputError(f"{path}: {key}: {first['msg']}; {_AGAIN}") from None


def _array(path: Path, dtype: type, shape: tuple[int, ...]) -> np.ndarray:
    try:
        array = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; {_AGAIN}") from None
    except Exception as error:  # a damaged header can raise anything at all
        raise InputError(f"{path}: not a readable array ({' '.join(str(error).split())}); {_AGAIN}") from None
    if not isinstance(array, np.ndarray) or array.dtype != dtype or array.shape != shape:
        found = f"{array.dtype} {list(array.shape)}" if isinstance(array, np.ndarray) else type(array).__name__
        raise InputError(f"{path}: {META} says {np.dtype(dtype)} {list(shape)}, the file has {found}; {_AGAIN}")
    return array
