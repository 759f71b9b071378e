"""Any image file as RGB."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from eoinas.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")  # those of torchvision's ImageFolder


def is_image(name: str) -> bool:
    """Whether a file of this name is taken for an image."""
    return name.lower().endswith(SUFFIXES)


def read(path: Path | str) -> "Image":
    """The decoded image: grey, palette, CMYK and 16-bit ones are converted.

    Raises:
        InputError: it cannot be read, or its pixels have 32 bits.
    """
    from PIL import Image

    try:
        with Image.open(path) as image:
            _check_depth(image, path)
            if image.mode.startswith("I"):  # convert() clips 16-bit grey to white
                image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
            return image.convert("RGB")
    except InputError:
        raise
    except Exception as error:  # a damaged file can raise anything at all
        raise unreadable(path, error) from None


def size(path: Path | str) -> tuple[int, int]:
    """Width and height as the file's header has them.

    Raises:
        InputError: it has none, or pixels of 32 bits.
    """
    from PIL import Image

    try:
        with Image.open(path) as image:
            _check_depth(image, path)
            return image.size
    except InputError:
        raise
    except Exception as error:  # a damaged file can raise anything at all
        raise unreadable(path, error) from None


def _check_depth(image: "Image", path: Path | str) -> None:
    """Pillow brings 16-bit grey of .pgm to 0 .. 65535, in its mode I; any other image of modes I and F has a range of its own."""
    if image.mode in ("I", "F") and image.format != "PPM":
        raise InputError(f"{path}: its pixels have 32 bits and so no known white; save it with 8 or 16 bits")


def unreadable(path: Path | str, error: Exception) -> InputError:
    """What the user is told of an image that cannot be read."""
    return InputError(f"{path}: not a readable image ({' '.join(str(error).split())}); replace or remove it")
