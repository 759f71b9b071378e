"""Outputs that are whole or absent: everything is written under a temporary name, synced and renamed."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eoinas.errors import InputError

_FULL = {number: os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)}


def sync(path: Path) -> None:
    """Force a written file, or the names in a folder, onto the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def replacing(path: Path | str, size: int = 0) -> Iterator[Path]:
    """Yield a temporary path to write; on success it takes the place of ``path``, on an error nothing is left.

    Args:
        size: bytes that are to be written, where that is known, for the message of a full disk.

    Raises:
        InputError: the disk is full.
    """
    path = Path(path)
    temporary = _temporary(path)
    try:
        with _enough_room(path, temporary, size):
            yield temporary
            sync(temporary)
            temporary.replace(path)
            sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path | str) -> Iterator[Path]:
    """Yield a temporary folder to fill; on success it takes the place of ``path``, on an error nothing is left.

    Raises:
        InputError: the disk is full.
    """
    path = Path(path)
    temporary = _temporary(path)
    before = temporary.with_suffix(".before")
    for folder in (temporary, before):
        shutil.rmtree(folder, ignore_errors=True)
    try:
        with _enough_room(path, temporary, 0):
            temporary.mkdir()
            yield temporary
            for child in temporary.rglob("*"):
                sync(child)
            sync(temporary)
            if path.exists():
                path.replace(before)  # a folder that is being deleted would be half of one
            temporary.replace(path)
            sync(path.parent)
    finally:
        for folder in (temporary, before):
            shutil.rmtree(folder, ignore_errors=True)


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.part")


@contextmanager
def _enough_room(path: Path, temporary: Path, size: int) -> Iterator[None]:
    """Make the folder of ``path``, and of a full disk's error one that says how much was needed and how much is free."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except Exception as error:  # safetensors has its own family
        reason = _full(error)
        if not reason:
            raise
        written = sum(each.stat().st_size for each in (temporary, *temporary.rglob("*")) if each.is_file())
        needed = in_units(size) if size else f"more than {in_units(written)}"
        free = next(in_units(shutil.disk_usage(parent).free) for parent in path.parents if parent.exists())
        name = re.sub(r"\.([^/]+)\.\d+\.part", r"\1", str(path))  # a file of a folder that is being replaced
        raise InputError(
            f"{name}: {reason}: needed {needed}, free {free}; free some space and run again, nothing is half-written"
        ) from None


def _full(error: Exception) -> str | None:
    """What the system says of a full disk, if that is what ``error`` is about."""
    found = getattr(error, "errno", None)
    if found is None:  # safetensors and shutil.copytree have the number in their text
        match = re.search(r"\b(?:os error|Errno) (\d+)", str(error))
        found = int(match[1]) if match else None
    return _FULL.get(found)


def in_units(size: int) -> str:
    """Bytes as a person reads them."""
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.4g} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def write_bytes(path: Path | str, blob: bytes | memoryview) -> None:
    """Write ``blob``, whole or not at all."""
    with replacing(path, len(blob)) as temporary:
        temporary.write_bytes(blob)


def write_text(path: Path | str, text: str) -> None:
    """Write ``text`` as UTF-8, whole or not at all."""
    write_bytes(path, text.encode())


def sha256(path: Path | str) -> str:
    """Hex digest of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
