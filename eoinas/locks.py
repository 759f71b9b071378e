"""Locks between processes, and DVC's own file of locks, which ``python -m eoinas.locks`` mends."""

import errno
import fcntl
import json
from pathlib import Path
from typing import TextIO

from eoinas.errors import InputError

_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS}
RWLOCK = Path(".dvc/tmp/rwlock")  # below the project's top folder


def hold(path: Path) -> TextIO | None:
    """The file, locked until it is closed or its process ends; None where another process holds it.

    Raises:
        InputError: the file system has no locks.
    """
    file = open(path, "a", encoding="utf-8")  # noqa: SIM115  # the caller keeps it
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        if error.errno in (errno.EAGAIN, errno.EACCES):
            return None
        if error.errno not in _NO_LOCKS:
            raise
        raise InputError(
            f"{path.parent}: this file system has no locks ({error.strerror}); make .scratch a link to a local disk's folder"
        ) from None
    return file


def damaged(path: Path) -> bool:
    """Whether DVC was killed while it wrote its file of locks, which no DVC can read then."""
    try:
        return path.is_file() and not isinstance(json.loads(path.read_text(encoding="utf-8")), dict)
    except ValueError:
        return True


def mend(path: Path = RWLOCK) -> None:
    """Remove DVC's file of locks where it is damaged: nothing else is lost. DVC holds another lock while it writes the file."""
    if damaged(path) and (guard := hold(path.with_name("rwlock.lock"))):
        with guard:
            if damaged(path):
                path.unlink()


if __name__ == "__main__":
    mend()
