"""Looks through raw ImageNet, or makes what stands in for it, and writes the manifest (Sec. IV-D). Copies nothing."""

import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path

from tqdm import tqdm

from eoinas import files
from eoinas.data import digits, imagenet, listing, location, rgb
from eoinas.data import folder as own_folder
from eoinas.data.imagenet import SPLITS, ImagenetDataParams
from eoinas.errors import InputError

THREADS = 8  # a network file system answers many questions at once; decoding uses several cores


def prepare(out: Path | str, settings: ImagenetDataParams) -> None:
    """Write the manifest's folder ``out``.

    Raises:
        InputError: a split or class is missing, the number of classes is another, or an image cannot be read.
    """
    with files.replacing_folder(out) as folder:
        raw = location.folder(settings.raw, imagenet.RAW)
        if settings.source == "digits":
            raw = folder / imagenet.IMAGES
            digits.write_jpegs(raw, settings.digits_train, settings.digits_val)
        classes = list_classes(raw, settings.classes)
        names = list(classes["train"])
        rows = {split: _rows(raw, split, classes[split], settings.decode_all) for split in SPLITS}
        imagenet.save(folder, settings.source, names, rows)


def list_classes(raw: Path, count: int) -> dict[str, dict[str, list[Path]]]:
    """The images of each class of each split, sorted.

    Raises:
        InputError: as ``prepare``.
    """
    _refuse_flat_validation(raw)
    splits = {split: own_folder.classes_of(own_folder.split_folder(raw, split)) for split in SPLITS}
    if len(splits["train"]) != count:
        raise InputError(
            f"{raw / 'train'}: {len(splits['train'])} classes, but imagenet_data.classes says {count}; "
            "add what is missing or change the number"
        )
    for one, other in (SPLITS, SPLITS[::-1]):
        if lacking := sorted(splits[one].keys() - splits[other].keys()):
            raise InputError(f"{raw / other / lacking[0]}: no such folder, but {one} has this class; add its images")
    return splits


def _refuse_flat_validation(raw: Path) -> None:
    """The official archive of validation images has no folders; which class an image has stands in another archive."""
    val = raw / "val"
    if val.is_dir() and not listing.folders(val) and any(val.glob("ILSVRC2012_val_*.JPEG")):
        raise InputError(
            f"{val}: images without class folders; delete it, put ILSVRC2012_img_val.tar and ILSVRC2012_devkit_t12.tar.gz into "
            f"{raw}, and run: python -c \"import torchvision; torchvision.datasets.ImageNet('{raw}', 'val')\""
        )


def _rows(raw: Path, split: str, classes: dict[str, list[Path]], decode: bool) -> list[tuple[str, int, int, int, int]]:
    rows = []

    def row(path: Path, label: int) -> tuple[str, int, int, int, int]:
        if decode:
            rgb.read(path)
        return (path.relative_to(raw).as_posix(), label, *rgb.size(path), path.stat().st_size)

    total = sum(map(len, classes.values()))
    with ThreadPoolExecutor(THREADS) as pool, tqdm(total=total, desc=split, unit="image", disable=not sys.stderr.isatty()) as bar:
        for label, paths in enumerate(classes.values()):
            rows += pool.map(row, paths, repeat(label))
            bar.update(len(paths))
    return rows
