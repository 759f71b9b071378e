"""ImageNet as its manifest has it (Sec. IV-D): what training reads. The images stay where they are.

The manifest's folder holds manifest.csv, a line an image, and meta.json; at source ``digits`` the images too.
"""

import csv
import os
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from eoinas import files, formats, params
from eoinas.data import location
from eoinas.errors import InputError

SPLITS = ("train", "val")
MANIFEST, META, IMAGES = "manifest.csv", "meta.json", "images"
RAW = "imagenet_data.raw"  # the key, for messages
COLUMNS = ["path", "class", "width", "height", "bytes"]


class ImagenetDataParams(params.Section):
    """The block ``<scale>.imagenet_data``.

    Attributes:
        source: ``digits`` (embedded) or ``folder`` (train/CLASS/*, val/CLASS/*).
        raw: that folder; ``~`` and ``$NAME`` are expanded.
        classes: how many there must be.
        decode_all: decode every image when the data are prepared; else headers and sizes are checked.
        digits_train, digits_val: images of each class, for source ``digits``.
    """

    source: Literal["digits", "folder"]
    raw: Annotated[str, Field(min_length=1)]
    classes: Annotated[int, Field(ge=2)]
    decode_all: bool
    digits_train: Annotated[int, Field(gt=0, le=130)]
    digits_val: Annotated[int, Field(gt=0, le=36)]


class Split(NamedTuple):
    """The images of one split, in the manifest's order."""

    paths: np.ndarray  # str [N], relative to the images' folder; an array, so that loader workers share it
    labels: np.ndarray  # int64 [N]
    bytes: np.ndarray  # int64 [N]


class Listing(NamedTuple):
    """A data set by its manifest."""

    folder: Path  # where the images lie
    source: str
    classes: tuple[str, ...]
    train: Split
    val: Split


class _Meta(BaseModel):
    """meta.json: what the manifest beside it must be."""

    model_config = ConfigDict(extra="forbid", strict=True)

    source: Literal["digits", "folder"]
    classes: Annotated[list[str], Field(min_length=2)]
    counts: dict[Literal["train", "val"], Annotated[int, Field(gt=0)]]
    sha256: str


def save(folder: Path, source: str, classes: list[str], rows: dict[str, list[tuple[str, int, int, int, int]]]) -> None:
    """Write meta.json and manifest.csv; a row of a split is (path, class index, width, height, bytes)."""
    with files.replacing(folder / MANIFEST) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for split in SPLITS:
            writer.writerows(sorted(rows[split]))
    counts = {split: len(rows[split]) for split in SPLITS}
    digest = files.sha256(folder / MANIFEST)
    formats.write_json(folder / META, _Meta(source=source, classes=classes, counts=counts, sha256=digest).model_dump())


def load(folder: Path | str, settings: ImagenetDataParams) -> Listing:
    """What the stage data_imagenet wrote to ``folder``, and where the images are now.

    Raises:
        InputError: it is missing or damaged.
    """
    return read(Path(folder), location.folder(settings.raw, RAW))


def read(folder: Path, raw: Path) -> Listing:
    """The manifest in ``folder``; its images lie in ``raw``, those of source ``digits`` beside it.

    Raises:
        InputError: it is missing or damaged, or a path leaves the folder.
    """
    meta = _meta(folder / META)
    path = folder / MANIFEST
    if not path.is_file() or files.sha256(path) != meta.sha256:
        raise InputError(f"{path}: not the file that {META} was written for; {_AGAIN}")
    rows = _rows(path, len(meta.classes))
    splits = [Split(*(np.array(column) for column in rows[split])) for split in SPLITS]
    if [len(split.paths) for split in splits] != [meta.counts.get(split) for split in SPLITS]:
        raise InputError(f"{path}: not as many images as {META} says; {_AGAIN}")
    return Listing(folder / IMAGES if meta.source == "digits" else raw, meta.source, tuple(meta.classes), *splits)


def _rows(path: Path, classes: int) -> dict[str, tuple[list[str], list[int], list[int]]]:
    """Paths, labels and sizes of each split of a manifest."""
    rows = {split: ([], [], []) for split in SPLITS}
    with open(path, encoding="utf-8", newline="") as file:
        lines = csv.reader(file)
        try:
            next(lines, None)
            for line in lines:
                name, label, size = line[0], int(line[1]), int(line[4])
                parts = name.split("/")  # split, class, folders below it if there are any, file
                inside = len(parts) >= 3 and parts[0] in SPLITS and not {"..", ".", ""} & {*parts} and "\0" not in name
                if not inside or not 0 <= label < classes:
                    raise InputError(f"{path}: line {lines.line_num}: '{name}' is no image of a class; {_AGAIN}")
                for column, value in zip(rows[parts[0]], (name, label, size), strict=True):
                    column.append(value)
        except (IndexError, ValueError, csv.Error):
            raise InputError(f"{path}: line {lines.line_num}: not a line of a manifest; {_AGAIN}") from None
    return rows


def check_files(listing: Listing) -> None:
    """Raise InputError where a file of the manifest is missing or has another size, before a training starts on it."""
    for split in (listing.train, listing.val):
        for name, size in zip(split.paths.tolist(), split.bytes.tolist(), strict=True):
            path = os.path.join(listing.folder, name)
            try:
                found = os.stat(path).st_size
            except OSError as error:
                raise InputError(f"{path}: {error.strerror}, but it is in the manifest; {_STALE}") from None
            if found != size:
                raise InputError(f"{path}: has {found} bytes, in the manifest {size}; {_STALE}")


_STALE = f"set {RAW}, or run `dvc repro -f -s data_imagenet@SCALE` if the images have changed"
_AGAIN = "prepare the data again (`dvc repro -f -s data_imagenet@SCALE`)"


def _meta(path: Path) -> _Meta:
    if not path.exists():
        raise InputError(f"{path}: no such file; prepare the data first (`dvc repro`, or python -m stages.data_imagenet SCALE)")
    try:
        return _Meta.model_validate(formats.read_json(path))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"])) or "the whole"
        raise InputError(f"{path}: {key}: {first['msg']}; {_AGAIN}") from None
