"""What lies in a raw folder: all files but those that systems leave behind, with names that a manifest can hold."""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from eoinas.errors import InputError

# Left by macOS, Synology, Linux and Windows, in lower case; names that begin with a dot (.DS_Store, ._x.png) need no entry.
SYSTEM = {
    "__macosx",
    "icon\r",
    "@eadir",
    "#recycle",
    "lost+found",
    "$recycle.bin",
    "system volume information",
    "thumbs.db",
    "desktop.ini",
}
KINDS = 6  # suffixes that a message lists


def folders(where: Path | str) -> list[str]:
    """Names of the folders in ``where``, sorted; links to folders count.

    Raises:
        InputError: a name is none that a manifest can hold.
    """
    return _checked(where, (entry.name for entry in _entries(where) if entry.is_dir()))


def files(where: Path | str) -> list[str]:
    """Names of the files in ``where`` itself, sorted; their names are not checked."""
    return sorted(entry.name for entry in _entries(where) if not entry.is_dir())


def below(where: Path | str, wanted: Callable[[str], bool]) -> tuple[list[str], list[str]]:
    """All files in ``where`` and in the folders below it, links followed, as sorted paths relative to it.

    Args:
        wanted: says of a path whether it is.

    Returns:
        The paths that are wanted, and the others.

    Raises:
        InputError: a name that is wanted is none that a manifest can hold.
    """
    found: list[str] = []
    others: list[str] = []
    for name in _below(str(where), "", ()):
        (found if wanted(name) else others).append(name)
    return _checked(where, found), sorted(others)


def tell(names: Sequence[str], where: Path | str, why: str = "") -> None:
    """Say in one line how many files of ``where`` are not taken, and of what kinds ``names`` are; nothing if there are none."""
    if not names:
        return
    kinds = Counter(PurePosixPath(name).suffix.lower() or "no suffix" for name in names).most_common()
    listed = [f"{printable(kind)} {count}" for kind, count in kinds[:KINDS]]
    if rest := sum(count for _, count in kinds[KINDS:]):
        listed.append(f"others {rest}")
    noun = "1 file of {} was" if len(names) == 1 else f"{len(names)} files of {{}} were"
    print(f"{noun.format(printable(where))} not taken{why}: {', '.join(listed)}")


def printable(path: Path | str) -> str:
    """``path`` on one line, with escapes for what cannot be printed."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


def _checked(where: Path | str, names: Iterator[str] | list[str]) -> list[str]:
    names = sorted(names)
    for name in names:
        reason = _fault(name)
        if reason:
            raise InputError(f"{printable(Path(where, name))}: its name {reason}; rename it")
    return names


def _fault(name: str) -> str | None:
    """What is wrong with the name of a file or folder."""
    try:
        os.fsencode(name).decode("utf-8")
    except UnicodeDecodeError:
        return "is not UTF-8"
    return "holds a control character" if re.search(r"[\x00-\x1f\x7f]", name) else None


def _entries(where: Path | str) -> list[os.DirEntry]:
    with os.scandir(where) as found:
        return [entry for entry in found if not entry.name.startswith(".") and entry.name.lower() not in SYSTEM]


def _below(where: str, prefix: str, above: tuple[tuple[int, int], ...]) -> Iterator[str]:
    status = os.stat(where)
    here = (status.st_dev, status.st_ino)
    if here in above:  # a link to a folder that it lies in
        return
    for entry in _entries(where):
        if entry.is_dir():
            yield from _below(entry.path, f"{prefix}{entry.name}/", (*above, here))
        else:
            yield prefix + entry.name
