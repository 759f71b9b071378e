"""Cityscapes, or what stands in for it, in the official layout of files; pictures stay where they are and a manifest lists them.

The layout: ``leftImg8bit/<split>/<city>/<name>_leftImg8bit.png`` and ``gtFine/<split>/<city>/<name>_gtFine_labelIds.png``.
What an image file really is does not matter as long as Pillow reads it.
"""

from __future__ import annotations

import csv
import hashlib
import io
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import numpy as np
from pydantic import Field

from eoinas import formats, params
from eoinas.data import location
from eoinas.data.cityscapes_labels import TO_TRAIN, UNKNOWN
from eoinas.errors import InputError

if TYPE_CHECKING:
    from PIL import Image

Split = Literal["train", "val"]
SPLITS: tuple[Split, ...] = ("train", "val")
IMAGES, LABELS = "leftImg8bit", "gtFine"
IMAGE_SUFFIX, LABEL_SUFFIX = "_leftImg8bit.png", "_gtFine_labelIds.png"
FEWEST = 2  # scenes in a half of the search's: image pooling leaves one value a scene, and one has no spread to normalise by
RAW = "cityscapes_data.raw"  # the key, for messages
PREPARED = "data/prepared/{scale}/cityscapes"


class CityscapesDataParams(params.Section):
    """The block ``<scale>.cityscapes_data``.

    Attributes:
        source: ``drawn`` (streets drawn by code) or ``folder`` (files in the official layout).
        raw: the folder that holds leftImg8bit and gtFine; ``~`` and ``$NAME`` are expanded.
        decode_all: read every file to its last pixel, not only its head and its end.
        cache: a folder for decoded scenes, see ``data.scene_cache``; empty for none. ``~`` and ``$NAME`` are expanded.
        drawn_train, drawn_val: how many scenes are drawn.
        drawn_width, drawn_height: of a scene, in pixels.
        drawn_seed: of the scenes.
    """

    source: Literal["drawn", "folder"]
    raw: Annotated[str, Field(min_length=1)]
    decode_all: bool
    cache: str
    drawn_train: Annotated[int, Field(ge=6, le=10_000)]  # the rarest class comes in every sixth scene
    drawn_val: Annotated[int, Field(ge=6, le=10_000)]
    drawn_width: Annotated[int, Field(ge=128, le=4096)]
    drawn_height: Annotated[int, Field(ge=64, le=4096)]
    drawn_seed: Annotated[int, Field(ge=0)]


class Pair(NamedTuple):
    """A line of manifest.csv: a picture and its labels, as paths below the root."""

    split: Split
    image: str
    label: str
    width: int
    height: int
    image_bytes: int
    label_bytes: int

    @property
    def name(self) -> str:
        """``<city>_<sequence>_<frame>`` of an official file."""
        return Path(self.image).name.removesuffix(IMAGE_SUFFIX)


class Scenes(NamedTuple):
    """A prepared data set."""

    root: Path
    pairs: tuple[Pair, ...]
    meta: dict
    cache: Path | None = None  # see ``data.scene_cache``

    def split(self, name: Split) -> list[Pair]:
        """The pairs of one split, sorted by path."""
        return [pair for pair in self.pairs if pair.split == name]

    @property
    def description(self) -> dict:
        """For results: ``source``, how many pictures each split has, and the hash of the listing."""
        return {name: self.meta[name] for name in ("source", "counts", "listing_sha256")}


def load(folder: Path | str, settings: CityscapesDataParams) -> Scenes:
    """The data that the stage data_cityscapes wrote to ``folder``, every file there with the size that the manifest has.

    Where the pictures and their cache lie is for ``settings`` to say, so that moving them costs no run.

    Raises:
        InputError: the data are not prepared, or a file is gone or has changed.
    """
    folder = Path(folder)
    meta = formats.read_json(folder / "meta.json")
    if not isinstance(meta, dict) or not {"source", "counts", "listing_sha256", "classes"} <= meta.keys():
        raise InputError(f"{folder / 'meta.json'}: not a description of scenes; delete the folder and prepare the data again")
    root = folder if meta["source"] == "drawn" else location.folder(settings.raw, RAW)
    pairs = tuple(read_manifest(folder / "manifest.csv", meta["listing_sha256"]))
    cache = cache_folder(settings)
    scenes = Scenes(root, pairs, meta, cache / meta["listing_sha256"][:16] if cache else None)
    if meta["counts"] != {split: len(scenes.split(split)) for split in SPLITS}:
        raise InputError(f"{folder / 'meta.json'}: not the counts of the manifest; delete the folder and prepare the data again")
    for pair in scenes.pairs:
        for path, size in ((scenes.root / pair.image, pair.image_bytes), (scenes.root / pair.label, pair.label_bytes)):
            _check_size(path, size)
    return scenes


def image(root: Path, pair: Pair) -> Image.Image:
    """The picture, RGB, decoded.

    Raises:
        InputError: it cannot be read.
    """
    with open_image(root / pair.image) as file:
        return decoded(file, root / pair.image).convert("RGB")


def labels(root: Path, pair: Pair) -> np.ndarray:
    """Train ids of all pixels, uint8 [height, width], 255 where a pixel does not count.

    Raises:
        InputError: it cannot be read or has a label id outside the table.
    """
    path = root / pair.label
    with open_image(path) as file:
        check_mode(file, path)
        ids = np.asarray(decoded(file, path))
    train_ids = TO_TRAIN[np.clip(ids, -1, 255)]  # both ends are outside the table
    if (train_ids == UNKNOWN).any():
        unknown = int(ids[train_ids == UNKNOWN][0])
        raise InputError(f"{path}: label id {unknown} is outside the table (0 to 33); labelIds images are needed, not trainIds")
    return train_ids


def cache_folder(settings: CityscapesDataParams) -> Path | None:
    """The folder that ``cache`` means, None for none.

    Raises:
        InputError: it names an environment variable that is not set.
    """
    return location.folder(settings.cache, "cityscapes_data.cache") if settings.cache else None


def open_image(path: Path) -> Image.Image:
    """The file, its head read.

    Raises:
        InputError: it is missing or no image.
    """
    from PIL import Image

    try:
        return Image.open(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; prepare the data again") from None
    except Exception as error:  # each image format has its own family of exceptions
        raise _unreadable(path, error) from None


def decoded(file: Image.Image, path: Path) -> Image.Image:
    """``file``, read to its last pixel.

    Raises:
        InputError: it is damaged.
    """
    try:
        file.load()
    except Exception as error:
        raise _unreadable(path, error) from None
    return file


def _unreadable(path: Path, error: Exception) -> InputError:
    return InputError(f"{path}: not a readable image ({' '.join(str(error).split()):.200}); replace it")


def check_mode(file: Image.Image, path: Path) -> None:
    """Raise InputError where a label image has more than one channel."""
    if file.mode not in ("L", "P", "I;16", "I"):  # P: the palette is for the eye, the indices are the ids
        raise InputError(f"{path}: has mode {file.mode}, a label image has one channel of label ids; it may be the colour image")


def _check_size(path: Path, size: int) -> None:
    try:
        found = path.stat().st_size
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; set {RAW} to where it is, or prepare the data again") from None
    if found != size:
        raise InputError(
            f"{path}: has {found} bytes and had {size} when the data were prepared; restore it or prepare them again"
        )


def read_manifest(path: Path, sha256: str) -> list[Pair]:
    """The pairs that a manifest with this hash lists.

    Raises:
        InputError: it is missing or another one, or a path leaves the data's folder.
    """
    other = f"{path}: not the listing that meta.json beside it describes; delete the folder and prepare the data again"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such file; prepare the data first (`dvc repro`, or python -m stages.data_cityscapes)"
        ) from None
    except UnicodeDecodeError:
        text = ""
    if hashlib.sha256(text.encode()).hexdigest() != sha256:
        raise InputError(other)
    rows = csv.DictReader(io.StringIO(text))
    try:
        pairs = [Pair(row["split"], row["image"], row["label"], *(int(row[name]) for name in Pair._fields[3:])) for row in rows]
    except (KeyError, TypeError, ValueError, csv.Error):
        raise InputError(other) from None
    for name in (name for pair in pairs for name in (pair.image, pair.label)):
        if {"", ".."} & {*name.split("/")} or "\0" in name:
            raise InputError(other)
    return pairs
