"""Any image file as RGB."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from eoinas.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")


def read(path: Path | str) -> "Image":
    """The decoded image: grey, palette, CMYK and 16-bit ones are converted.

    Raises:
        InputError: it cannot be read.
    """
    from PIL import Image

    try:
        with Image.open(path) as image:
            if image.mode.startswith("I;16"):  # convert() clips 16-bit grey to white
                image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
            return image.convert("RGB")
    except Exception as error:  # a damaged file can raise anything at all
        raise unreadable(path, error) from None


def size(path: Path | str) -> tuple[int, int]:
    """Width and height as the file's header has them.

    Raises:
        InputError: it has none.
    """
    from PIL import Image

    try:
        with Image.open(path) as image:
            return image.size
    except Exception as error:  # a damaged file can raise anything at all
        raise unreadable(path, error) from None


def unreadable(path: Path | str, error: Exception) -> InputError:
    """What the user is told of an image that cannot be read."""
    return InputError(f"{path}: not a readable image ({' '.join(str(error).split())}); replace or remove it")
