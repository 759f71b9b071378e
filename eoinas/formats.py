"""Number formats of files: equal values are equal bytes."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

from eoinas import files
from eoinas.errors import InputError

if TYPE_CHECKING:
    import numpy as np


def write_array(path: Path | str, array: np.ndarray) -> None:
    """Write ``array`` as .npy, whole or not at all; np.save to a file takes no notice of a full disk if the array is small."""
    import numpy as np

    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    files.write_bytes(path, buffer.getbuffer())


def write_json(path: Path | str, value: object) -> None:
    """Write ``value`` as JSON with a stable layout, so that equal values are equal bytes."""
    files.write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def read_text(path: Path | str) -> str:
    """The UTF-8 text in ``path``.

    Raises:
        InputError: the file is missing or is not UTF-8.
    """
    try:
        return Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a UTF-8 text ({error})") from None


def read_json(path: Path | str) -> object:
    """The JSON value in ``path``.

    Raises:
        InputError: the file is missing or is not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{path}: not a JSON file ({error})") from None
