"""Where a scale's CIFAR-10 and CIFAR-100 come from: the real ones, scikit-learn's digits, or a folder of one's own."""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from eoinas import params
from eoinas.data import imageset
from eoinas.errors import InputError

# 36 test digits of a kind make 1,296 pairs, so this many images are there for every class.
Hundreds = Annotated[int, Field(gt=0, le=100_000, multiple_of=100)]


class DataParams(params.Section):
    """The block ``<scale>.cifar10`` or ``<scale>.cifar100``.

    Attributes:
        source: ``digits`` (embedded), ``cifar`` (the official files) or ``folder`` (images of one's own).
        raw: the folder with the official files' folder, or one's own folder; ``~`` and ``$NAME`` are expanded.
        check_md5: take the official CIFAR files only.
        download: fetch the official CIFAR files if they are absent.
        image_size: side in pixels that images of ``folder`` are brought to.
        digits_train, digits_test: two-digit images that stand in for CIFAR-100.
    """

    source: Literal["digits", "cifar", "folder"]
    raw: Annotated[str, Field(min_length=1)]
    check_md5: bool
    download: bool
    image_size: Annotated[int, Field(ge=8, le=1024)]
    digits_train: Hundreds
    digits_test: Hundreds


def prepare(name: Literal["cifar10", "cifar100"], settings: DataParams) -> imageset.ImageSet:
    """The data set ``name``, or what stands in for it.

    Raises:
        InputError: the source is missing or damaged.
    """
    # Imported where used: a digits stage pays for scikit-learn alone, a CIFAR stage for torchvision alone.
    if settings.source == "digits":
        from eoinas.data import digits

        return digits.digits10() if name == "cifar10" else digits.digits100(settings.digits_train, settings.digits_test)
    raw = raw_folder(settings)
    if settings.source == "folder":
        from eoinas.data import folder

        return folder.read(raw, settings.image_size)
    from eoinas.data import cifar

    if settings.download:
        cifar.download(raw, name)
    return cifar.read(raw, name, settings.check_md5)


def raw_folder(settings: DataParams) -> Path:
    """The parameter ``raw`` as a path.

    Raises:
        InputError: it names an environment variable that is not set.
    """
    raw = os.path.expanduser(os.path.expandvars(settings.raw))
    if "$" in raw:
        raise InputError(f"{params.FILE}: raw: {settings.raw} names an environment variable that is not set")
    return Path(raw)
