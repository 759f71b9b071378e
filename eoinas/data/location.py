"""Where data lie that DVC does not track: a folder as params.yaml names it."""

import os
from pathlib import Path

from eoinas import params
from eoinas.errors import InputError


def folder(text: str, key: str) -> Path:
    """The folder ``text``, with ``~`` and ``$NAME`` expanded; ``key`` is the parameter that names it, for the message.

    Raises:
        InputError: it names an environment variable that is not set, or a user that is not known.
    """
    path = os.path.expanduser(os.path.expandvars(text))
    if "$" in path:
        raise InputError(f"{params.FILE}: {key}: {text} names an environment variable that is not set")
    if path.startswith("~"):
        raise InputError(f"{params.FILE}: {key}: {text} names a user that is not known here")
    return Path(path)
