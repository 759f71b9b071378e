"""Street scenes checked and listed before anything is trained on them; see ``eoinas.data.cityscapes`` for the layout."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from eoinas import files, formats
from eoinas.data import cityscapes, location, scene_cache
from eoinas.data.cityscapes import IMAGE_SUFFIX, IMAGES, LABEL_SUFFIX, LABELS, SPLITS, CityscapesDataParams, Pair, Split
from eoinas.data.cityscapes_labels import CLASSES, IGNORE
from eoinas.errors import InputError

if TYPE_CHECKING:
    from PIL import Image


def prepare(settings: CityscapesDataParams, folder: Path | str) -> None:
    """Check the pictures and write ``manifest.csv`` and ``meta.json`` to ``folder``; drawn scenes are written there too.

    Raises:
        InputError: a file is missing, damaged, or does not fit its other half; there is no room for the cache.
    """
    with files.replacing_folder(folder) as temporary:
        if settings.source == "drawn":
            from eoinas.data import streets

            counts = {"train": settings.drawn_train, "val": settings.drawn_val}
            streets.write(temporary, counts, settings.drawn_width, settings.drawn_height, settings.drawn_seed)
        root = temporary if settings.source == "drawn" else location.folder(settings.raw, cityscapes.RAW)
        pairs = [pair for split in SPLITS for pair in _listing(root, split)]
        if cache := cityscapes.cache_folder(settings):
            _check_room(cache, [pair for pair in pairs if pair.split == "train"])
        listing = _csv(pairs)
        files.write_text(temporary / "manifest.csv", listing)
        meta = {
            "source": settings.source,
            "counts": {split: sum(pair.split == split for pair in pairs) for split in SPLITS},
            "listing_sha256": hashlib.sha256(listing.encode()).hexdigest(),
            "classes": _decode_all(root, pairs) if settings.decode_all else None,
        }
        formats.write_json(temporary / "meta.json", meta)


def _listing(root: Path, split: Split) -> list[Pair]:
    """All pairs of a split, sorted, each checked by the heads of its files."""
    halves = []
    for half, suffix, archive in (
        (IMAGES, IMAGE_SUFFIX, "leftImg8bit_trainvaltest.zip"),
        (LABELS, LABEL_SUFFIX, "gtFine_trainvaltest.zip"),
    ):
        folder = root / half / split
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder; unpack {archive} in {root}, or set {cityscapes.RAW} to where it is")
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
    with cityscapes.open_image(root / image) as file:
        size = file.size
        _check_end(file, root / image)
    with cityscapes.open_image(root / label) as file:
        cityscapes.check_mode(file, root / label)
        _check_end(file, root / label)
        if file.size != size:
            found, needed = ("{}x{}".format(*each) for each in (file.size, size))
            raise InputError(f"{root / label}: is {found} pixels and its image {needed}; replace one of them")
    return Pair(split, image, label, *size, (root / image).stat().st_size, (root / label).stat().st_size)


def _decode_all(root: Path, pairs: Iterable[Pair]) -> dict[str, list[str]]:
    """The classes that occur in each split, every file read."""
    seen = {split: np.zeros(IGNORE + 1, bool) for split in SPLITS}
    for pair in pairs:
        cityscapes.image(root, pair)
        seen[pair.split][np.unique(cityscapes.labels(root, pair))] = True
    return {split: [name for name, found in zip(CLASSES, seen[split], strict=False) if found] for split in SPLITS}


def _check_room(cache: Path, pairs: Sequence[Pair]) -> None:
    """Say how large the cache will be, and raise InputError where the disk is too small for it.

    What it holds already counts as free.
    """
    needed, held = scene_cache.size(pairs), sum(path.stat().st_size for path in cache.rglob("*.npy"))
    there = next(parent for parent in (cache.absolute(), *cache.absolute().parents) if parent.exists())
    free = shutil.disk_usage(there).free + held
    room = f"{files.in_units(needed)} for {len(pairs)} decoded scenes, {files.in_units(free)} free"
    if needed > free:
        raise InputError(f"{cache}: {room}; set cityscapes_data.cache to a folder on a larger disk, or to nothing")
    print(f"{cache}: {room}; filled when they are first read")


def _csv(pairs: Sequence[Pair]) -> str:
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(Pair._fields)
    writer.writerows(pairs)
    return table.getvalue()


def _check_end(file: Image.Image, path: Path) -> None:
    """A PNG that was cut off lacks its last chunk; the head does not show it."""
    if file.format == "PNG":
        with open(path, "rb") as raw:
            raw.seek(-12, os.SEEK_END)
            if b"IEND" not in raw.read():
                raise InputError(f"{path}: cut off, its end is missing; copy or download it again")
