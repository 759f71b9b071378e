"""CIFAR-10 and CIFAR-100 from their official Python files (Sec. IV). A pickle is a program: nothing in it is run here."""

import hashlib
import io
import pickle
import socket
from pathlib import Path
from typing import Literal

import numpy as np

from eoinas import files
from eoinas.data import imageset
from eoinas.errors import InputError

Name = Literal["cifar10", "cifar100"]
SIZE = 32
PIXELS = 3 * SIZE * SIZE
LABELS = {"cifar10": "labels", "cifar100": "fine_labels"}
CLASSES = {"cifar10": 10, "cifar100": 100}
TIMEOUT = 30  # seconds without an answer from the server

# All that an array in a pickle needs. numpy 1 wrote numpy.core, numpy 2 writes numpy._core; __reduce__ knows the present place.
_reconstruct = np.empty(0).__reduce__()[0]
ALLOWED = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
}


class _Unpickler(pickle.Unpickler):
    """Builds plain values and numpy arrays; any other name in the pickle is refused before it is imported."""

    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no CIFAR file needs")
        return ALLOWED[module, name]


def read(folder: Path | str, name: Name, check_md5: bool) -> imageset.ImageSet:
    """The data set from ``<folder>/cifar-10-batches-py`` or ``<folder>/cifar-100-python``.

    Args:
        folder: the raw folder.
        name: which of the two.
        check_md5: True: every file must be the official one. False: any file in the same layout, for example a subset.

    Returns:
        Images of 32 x 32, at full size 50,000 for training and 10,000 for testing.

    Raises:
        InputError: a file is missing, is not the official one, is damaged or holds something else.
    """
    official = _official(name)
    base = Path(folder) / official.base_folder
    where = f"put the files of {official.url} into {base}"
    listed = [*official.train_list, *official.test_list, (official.meta["filename"], official.meta["md5"])]
    for filename, md5 in listed:
        _check(base / filename, md5 if check_md5 else None, where)
    splits = []
    for entries in (official.train_list, official.test_list):
        batches = [_batch(base / filename, name, where) for filename, _ in entries]
        splits.append(tuple(np.concatenate(parts) for parts in zip(*batches, strict=True)))
    classes = _classes(base / official.meta["filename"], official.meta["key"], CLASSES[name], where)
    return imageset.build(*splits, classes, base)


def absent(folder: Path | str, name: Name) -> bool:
    """Whether ``folder`` has nothing of the data set."""
    base = Path(folder) / _official(name).base_folder
    return not base.is_dir() or not any(base.iterdir())


def download(folder: Path | str, name: Name) -> None:
    """Fetch and unpack the official archive, checked by its md5, unless its folder is there already.

    Raises:
        InputError: it could not be fetched; the message says where to put the files by hand.
    """
    official = _official(name)
    base = Path(folder) / official.base_folder
    if not absent(folder, name):  # what is there is the user's; read() says what is wrong with it
        return
    from torchvision.datasets.utils import download_and_extract_archive

    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)
    try:
        with files.replacing_folder(base) as temporary:
            download_and_extract_archive(
                official.url, str(temporary), filename=official.filename, md5=official.tgz_md5, remove_finished=True
            )
            for path in (temporary / official.base_folder).iterdir():
                path.rename(temporary / path.name)
            (temporary / official.base_folder).rmdir()
    except InputError:  # the disk is full
        raise
    except Exception as error:  # the network, the server, the archive: each has its own family of exceptions
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{official.url}: download failed ({reason}); unpack it by hand into {base}") from None
    finally:
        socket.setdefaulttimeout(before)


def _official(name: Name) -> type:
    import torchvision

    return {"cifar10": torchvision.datasets.CIFAR10, "cifar100": torchvision.datasets.CIFAR100}[name]


def _check(path: Path, md5: str | None, where: str) -> None:
    try:
        with open(path, "rb") as file:
            found = md5 and hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; {where}, or set download to true") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; {where}") from None
    if found != md5:
        raise InputError(
            f"{path}: not the official file (md5 {found}, not {md5}); {where} again or set check_md5 to false to use it as it is"
        )


def _unpickle(path: Path, where: str) -> dict:
    try:
        # From memory, so that a damaged length asks for no more than there is. Python 2 wrote the official files.
        content = _Unpickler(io.BytesIO(path.read_bytes()), encoding="latin1").load()
    except Exception as error:  # a damaged pickle can raise anything at all
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: damaged or no CIFAR file ({reason}); {where} again") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds a {type(content).__name__}, not a CIFAR batch; {where} again")
    return content


def _batch(path: Path, name: Name, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 [n, 3, 32, 32] and labels int64 [n] of one file."""
    content = _unpickle(path, where)
    data, labels = content.get("data"), content.get(LABELS[name])
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.ndim != 2 or data.shape[1] != PIXELS or not len(data):
        raise InputError(f"{path}: 'data' must be a uint8 array of n x {PIXELS} pixels; {where} again")
    if not isinstance(labels, list) or len(labels) != len(data):
        raise InputError(f"{path}: '{LABELS[name]}' must be a list of {len(data)} labels, one for each image; {where} again")
    for index, label in enumerate(labels):
        if type(label) is not int or not 0 <= label < CLASSES[name]:
            raise InputError(
                f"{path}: '{LABELS[name]}'[{index}] is {label!r:.80}, not a class from 0 to {CLASSES[name] - 1}; {where} again"
            )
    return data.reshape(-1, 3, SIZE, SIZE), np.array(labels, dtype=np.int64)


def _classes(path: Path, key: str, count: int, where: str) -> tuple[str, ...]:
    names = _unpickle(path, where).get(key)
    if not isinstance(names, list) or len(names) != count or not all(isinstance(item, str) for item in names):
        raise InputError(f"{path}: '{key}' must be a list of {count} names; {where} again")
    return tuple(names)
