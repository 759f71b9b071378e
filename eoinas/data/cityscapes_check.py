"""Street scenes checked and listed before anything is trained on them; see ``eoinas.data.cityscapes`` for the layout."""

from __future__ import annotations

import csv
import hashlib
import io
import math
import os
import random
import shutil
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from eoinas import files, formats
from eoinas.data import cityscapes, listing, location, scene_cache
from eoinas.data.cityscapes import FEWEST, IMAGE_SUFFIX, IMAGES, LABEL_SUFFIX, LABELS, SPLITS, CityscapesDataParams, Pair, Split
from eoinas.data.cityscapes_labels import CLASSES, IGNORE
from eoinas.errors import InputError

if TYPE_CHECKING:
    from PIL import Image

SAMPLE = 20  # label images of a split that are looked into where not every file is read
_SIGNATURE, _END = b"\x89PNG\r\n\x1a\n", b"\0\0\0\0IEND\xaeB`\x82"  # how a PNG begins, and its last chunk


def prepare(settings: CityscapesDataParams, folder: Path | str) -> None:
    """Check the pictures and write ``manifest.csv`` and ``meta.json`` to ``folder``; drawn scenes are written there too.

    Prints what there is, and which classes occur.

    Raises:
        InputError: a file is missing, damaged, or does not fit its other half; there are too few scenes, or the labels are void;
            there is no room for the cache.
    """
    with files.replacing_folder(folder) as temporary:
        if settings.source == "drawn":
            from eoinas.data import streets

            counts = {"train": settings.drawn_train, "val": settings.drawn_val}
            streets.write(temporary, counts, settings.drawn_width, settings.drawn_height, settings.drawn_seed)
        root = temporary if settings.source == "drawn" else location.folder(settings.raw, cityscapes.RAW)
        pairs = [pair for split in SPLITS for pair in _listing(root, split)]
        train = [pair for pair in pairs if pair.split == "train"]
        if len(train) < 2 * FEWEST:
            found = f"{root / IMAGES / 'train'}: holds {len(train)} scene{'s' * (len(train) > 1)}"
            raise InputError(f"{found}; the search needs at least {2 * FEWEST}, {FEWEST} in each half; add some")
        if cache := cityscapes.cache_folder(settings):
            _check_room(cache, train)
        looked_at = {split: _look_at(root, split, pairs, settings.decode_all) for split in SPLITS}
        manifest = _csv(pairs)
        files.write_text(temporary / "manifest.csv", manifest)
        meta = {
            "source": settings.source,
            "counts": {split: sum(pair.split == split for pair in pairs) for split in SPLITS},
            "listing_sha256": hashlib.sha256(manifest.encode()).hexdigest(),
            "classes": {split: looked_at[split].classes for split in SPLITS} if settings.decode_all else None,
        }
        formats.write_json(temporary / "meta.json", meta)
    print("; ".join(_in_words(split, looked_at[split], pairs) for split in SPLITS))


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
        found, others = listing.below(folder, lambda name, suffix=suffix: name.count("/") == 1 and name.endswith(suffix))
        if not found:
            raise InputError(f"{folder}: holds no <city>/<name>{suffix}; unpack {archive} in {root}")
        halves.append({f"{split}/{name.removesuffix(suffix)}" for name in found})
        if half == IMAGES:  # beside its labels a scene has colours, instances and polygons, which nobody misses
            listing.tell(others, folder, f", for they are no <city>/<name>{suffix}")
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


class _Labels(NamedTuple):
    """What the labels of a split hold."""

    files: int  # that were looked at
    void: int  # of these, how many have no class
    classes: list[str]  # that occur


def _look_at(root: Path, split: Split, pairs: Sequence[Pair], everything: bool) -> _Labels:
    """Read every picture and label image of a split, or else SAMPLE of the label images.

    Raises:
        InputError: one is damaged, or no pixel has a class.
    """
    mine = [pair for pair in pairs if pair.split == split]
    chosen = mine if everything else random.Random(0).sample(mine, min(SAMPLE, len(mine)))
    seen, void = np.zeros(len(CLASSES), bool), 0
    for pair in chosen:
        if everything:
            cityscapes.image(root, pair)
        present = np.bincount(cityscapes.labels(root, pair).ravel(), minlength=IGNORE + 1)[: len(CLASSES)] > 0
        seen |= present
        void += not present.any()
    if not seen.any():
        part = len(chosen) < len(mine)
        many = f"{len(chosen)} label images looked at, of {len(mine)}," if part else f"its {len(chosen)} label images"
        raise InputError(
            f"{root / LABELS / split}: none of {many} has a pixel of the {len(CLASSES)} classes, all are void; put the true "
            f"labelIds images there{', or set cityscapes_data.decode_all to true to look at all of them' if part else ''}"
        )
    return _Labels(len(chosen), void, [name for name, found in zip(CLASSES, seen, strict=True) if found])


def _in_words(split: Split, labels: _Labels, pairs: Sequence[Pair]) -> str:
    """Such as "val: 500 scenes of 2048x1024 pixels, 18 of 19 classes occur (all but train)"."""
    sizes = [(pair.width, pair.height) for pair in pairs if pair.split == split]
    ends = [min(sizes, key=math.prod), max(sizes, key=math.prod)]
    size = " to ".join("{}x{}".format(*each) for each in dict.fromkeys(ends))
    absent = [name for name in CLASSES if name not in labels.classes]
    which = f"all but {', '.join(absent)}" if len(absent) < len(labels.classes) else ", ".join(labels.classes)
    occur = f"{len(labels.classes)} of {len(CLASSES)} classes occur ({which})" if absent else f"all {len(CLASSES)} classes occur"
    looked = f" in the {labels.files} looked at" if labels.files < len(sizes) else ""
    void = f", {labels.void} scene{'s' * (labels.void > 1)} without any" if labels.void else ""
    return f"{split}: {len(sizes)} scenes of {size} pixels, {occur}{looked}{void}"


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
    """A PNG that was cut off lacks its last chunk; the head does not show it. What comes after that chunk does no harm."""
    if file.format != "PNG":
        return
    with open(path, "rb") as raw:
        raw.seek(-len(_END), os.SEEK_END)
        if raw.read() == _END:
            return
        size, place = raw.tell(), len(_SIGNATURE)
        while place + len(_END) <= size:  # from chunk to chunk: length of the content, kind, content, checksum
            raw.seek(place)
            length, kind = struct.unpack(">I4s", raw.read(8))
            if kind == b"IEND":
                return
            if not kind.isalpha():
                raise InputError(f"{path}: damaged, no chunk of a PNG begins at byte {place}; copy or download it again")
            place += len(_END) + length
    raise InputError(f"{path}: cut off, its end is missing; copy or download it again")
