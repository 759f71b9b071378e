"""Cityscapes, or what stands in for it, in the official layout of files; pictures stay where they are and a manifest lists them.

The layout: ``leftImg8bit/<split>/<city>/<name>_leftImg8bit.png`` and ``gtFine/<split>/<city>/<name>_gtFine_labelIds.png``.
What an image file really is does not matter as long as Pillow reads it.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import numpy as np
from pydantic import Field

from eoinas import files, params
from eoinas.data.cityscapes_labels import CLASSES, IGNORE, TO_TRAIN, UNKNOWN
from eoinas.errors import InputError

if TYPE_CHECKING:
    from PIL import Image

Split = Literal["train", "val"]
SPLITS: tuple[Split, ...] = ("train", "val")
IMAGES, LABELS = "leftImg8bit", "gtFine"
IMAGE_SUFFIX, LABEL_SUFFIX = "_leftImg8bit.png", "_gtFine_labelIds.png"
PREPARED = "data/prepared/{scale}/cityscapes"


class CityscapesDataParams(params.Section):
    """The block ``<scale>.cityscapes_data``.

    Attributes:
        source: ``drawn`` (streets drawn by code) or ``folder`` (files in the official layout).
        raw: the folder that holds leftImg8bit and gtFine; ``~`` and ``$NAME`` are expanded.
        decode_all: read every file to its last pixel, not only its head and its end.
        drawn_train, drawn_val: how many scenes are drawn.
        drawn_width, drawn_height: of a scene, in pixels.
        drawn_seed: of the scenes.
    """

    source: Literal["drawn", "folder"]
    raw: Annotated[str, Field(min_length=1)]
    decode_all: bool
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

    def split(self, name: Split) -> list[Pair]:
        """The pairs of one split, sorted by path."""
        return [pair for pair in self.pairs if pair.split == name]

    @property
    def description(self) -> dict:
        """For results: ``source``, how many pictures each split has, and the hash of the listing."""
        return {name: self.meta[name] for name in ("source", "counts", "listing_sha256")}


def prepare(settings: CityscapesDataParams, folder: Path | str) -> None:
    """Check the pictures and write ``manifest.csv`` and ``meta.json`` to ``folder``; drawn scenes are written there too.

    Raises:
        InputError: a file is missing, damaged, or does not fit its other half.
    """
    with files.replacing_folder(folder) as temporary:
        if settings.source == "drawn":
            from eoinas.data import streets

            counts = {"train": settings.drawn_train, "val": settings.drawn_val}
            streets.write(temporary, counts, settings.drawn_width, settings.drawn_height, settings.drawn_seed)
        root = temporary if settings.source == "drawn" else _raw(settings)
        pairs = [pair for split in SPLITS for pair in _listing(root, split)]
        listing = _csv(pairs)
        files.write_text(temporary / "manifest.csv", listing)
        meta = {
            "source": settings.source,
            "counts": {split: sum(pair.split == split for pair in pairs) for split in SPLITS},
            "listing_sha256": hashlib.sha256(listing.encode()).hexdigest(),
            "classes": _decode_all(root, pairs) if settings.decode_all else None,
        }
        files.write_json(temporary / "meta.json", meta)


def load(scale: str) -> Scenes:
    """The prepared data of a scale, every file there with the size that the manifest has.

    Where the pictures lie is read from params.yaml, so that moving them costs no run.

    Raises:
        InputError: the data are not prepared, or a file is gone or has changed.
    """
    settings = params.load(CityscapesDataParams, scale, "cityscapes_data")
    folder = Path(PREPARED.format(scale=scale))
    meta = files.read_json(folder / "meta.json")
    if not isinstance(meta, dict) or not {"source", "counts", "listing_sha256", "classes"} <= meta.keys():
        raise InputError(f"{folder / 'meta.json'}: not a description of scenes; delete the folder and prepare the data again")
    root = folder if meta["source"] == "drawn" else _raw(settings)
    scenes = Scenes(root, tuple(_manifest(folder / "manifest.csv", meta["listing_sha256"])), meta)
    for pair in scenes.pairs:
        for path, size in ((scenes.root / pair.image, pair.image_bytes), (scenes.root / pair.label, pair.label_bytes)):
            _check_size(path, size)
    return scenes


def image(root: Path, pair: Pair) -> Image.Image:
    """The picture, RGB, decoded.

    Raises:
        InputError: it cannot be read.
    """
    with _open(root / pair.image) as file:
        return _decoded(file, root / pair.image).convert("RGB")


def labels(root: Path, pair: Pair) -> np.ndarray:
    """Train ids of all pixels, uint8 [height, width], 255 where a pixel does not count.

    Raises:
        InputError: it cannot be read or has a label id outside the table.
    """
    path = root / pair.label
    with _open(path) as file:
        _check_mode(file, path)
        ids = np.asarray(_decoded(file, path))
    found = ids.max(initial=0)
    train_ids = TO_TRAIN[np.minimum(ids, 255)]  # 255 is outside the table, as all above it
    if (train_ids == UNKNOWN).any():
        unknown = int(ids[train_ids == UNKNOWN][0]) if found < 256 else int(found)
        raise InputError(f"{path}: label id {unknown} is outside the table (0 to 33); labelIds images are needed, not trainIds")
    return train_ids


def _raw(settings: CityscapesDataParams) -> Path:
    raw = os.path.expanduser(os.path.expandvars(settings.raw))
    if "$" in raw:
        raise InputError(f"{params.FILE}: cityscapes_data.raw: {settings.raw} names an environment variable that is not set")
    return Path(raw)


def _listing(root: Path, split: Split) -> list[Pair]:
    """All pairs of a split, sorted, each checked by the heads of its files."""
    halves = []
    for half, suffix, archive in (
        (IMAGES, IMAGE_SUFFIX, "leftImg8bit_trainvaltest.zip"),
        (LABELS, LABEL_SUFFIX, "gtFine_trainvaltest.zip"),
    ):
        folder = root / half / split
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder; unpack {archive} in {root}, or set cityscapes_data.raw to where it is")
        found = {path.relative_to(root / half).as_posix().removesuffix(suffix) for path in folder.glob(f"*/*{suffix}")}
        if not found:
            raise InputError(f"{folder}: holds no <city>/<name>{suffix}; unpack {archive} in {root}")
        halves.append(found)
    for mine, other, suffix, there, missing in (
        (halves[0], halves[1], IMAGE_SUFFIX, IMAGES, f"{LABELS}/{{}}{LABEL_SUFFIX}"),
        (halves[1], halves[0], LABEL_SUFFIX, LABELS, f"{IMAGES}/{{}}{IMAGE_SUFFIX}"),
    ):
        for stem in sorted(mine - other):
            path = root / there / f"{stem}{suffix}"
            raise InputError(f"{path}: has no {root / missing.format(stem)}; add that file or remove this one")
    stems = sorted(halves[0])
    names: dict[str, str] = {}
    for stem in stems:  # predictions are written under the name alone, as the official evaluator wants them
        if names.setdefault(Path(stem).name, stem) != stem:
            raise InputError(f"{root / IMAGES / stem}{IMAGE_SUFFIX}: the name is also in {names[Path(stem).name]}; rename one")
    return [_pair(root, split, f"{IMAGES}/{stem}{IMAGE_SUFFIX}", f"{LABELS}/{stem}{LABEL_SUFFIX}") for stem in stems]


def _pair(root: Path, split: Split, image: str, label: str) -> Pair:
    with _open(root / image) as file:
        size = file.size
        _check_end(file, root / image)
    with _open(root / label) as file:
        _check_mode(file, root / label)
        _check_end(file, root / label)
        if file.size != size:
            found, needed = ("{}x{}".format(*each) for each in (file.size, size))
            raise InputError(f"{root / label}: is {found} pixels and its image {needed}; replace one of them")
    return Pair(split, image, label, *size, (root / image).stat().st_size, (root / label).stat().st_size)


def _decode_all(root: Path, pairs: Iterable[Pair]) -> dict[str, list[str]]:
    """The classes that occur in each split, every file read."""
    seen = {split: np.zeros(IGNORE + 1, bool) for split in SPLITS}
    for pair in pairs:
        image(root, pair)
        seen[pair.split][np.unique(labels(root, pair))] = True
    return {split: [name for name, found in zip(CLASSES, seen[split], strict=False) if found] for split in SPLITS}


def _open(path: Path) -> Image.Image:
    from PIL import Image

    try:
        return Image.open(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; prepare the data again") from None
    except Exception as error:  # each image format has its own family of exceptions
        raise _unreadable(path, error) from None


def _decoded(file: Image.Image, path: Path) -> Image.Image:
    try:
        file.load()
    except Exception as error:
        raise _unreadable(path, error) from None
    return file


def _unreadable(path: Path, error: Exception) -> InputError:
    return InputError(f"{path}: not a readable image ({' '.join(str(error).split()):.200}); replace it")


def _check_mode(file: Image.Image, path: Path) -> None:
    if file.mode not in ("L", "P", "I;16", "I"):  # P: the palette is for the eye, the indices are the ids
        raise InputError(f"{path}: has mode {file.mode}, a label image has one channel of label ids; it may be the colour image")


def _check_end(file: Image.Image, path: Path) -> None:
    """A PNG that was cut off lacks its last chunk; the head does not show it."""
    if file.format == "PNG":
        with open(path, "rb") as raw:
            raw.seek(-12, os.SEEK_END)
            if b"IEND" not in raw.read():
                raise InputError(f"{path}: cut off, its end is missing; copy or download it again")


def _check_size(path: Path, size: int) -> None:
    try:
        found = path.stat().st_size
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; set cityscapes_data.raw to where it is, or prepare the data again") from None
    if found != size:
        raise InputError(
            f"{path}: has {found} bytes and had {size} when the data were prepared; restore it or prepare them again"
        )


def _csv(pairs: Sequence[Pair]) -> str:
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(Pair._fields)
    writer.writerows(pairs)
    return table.getvalue()


def _manifest(path: Path, sha256: str) -> list[Pair]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such file; prepare the data first (`dvc repro`, or python -m stages.data_cityscapes)"
        ) from None
    except UnicodeDecodeError:
        text = ""
    if hashlib.sha256(text.encode()).hexdigest() != sha256:
        raise InputError(
            f"{path}: not the listing that meta.json beside it describes; delete the folder and prepare the data again"
        )
    rows = csv.DictReader(io.StringIO(text))
    return [Pair(row["split"], row["image"], row["label"], *(int(row[name]) for name in Pair._fields[3:])) for row in rows]
