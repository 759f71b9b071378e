"""Where the images of a classification data set come from: CIFAR, scikit-learn's digits, or a folder of one's own."""

from typing import Annotated, Literal

from pydantic import Field

from eoinas import params
from eoinas.data import imageset, location

# 36 test digits of a kind make 1,296 pairs, so this many images are there for every class.
Hundreds = Annotated[int, Field(gt=0, le=100_000, multiple_of=100)]
KINDS = {"cifar10": "cifar", "cifar100": "cifar", "digits": "digits", "digit_pairs": "digits", "folder": "folder"}


class DataParams(params.Section):
    """The block of a data set.

    Attributes:
        source: ``cifar10`` or ``cifar100`` (the official files), ``digits`` (embedded, 10 classes), ``digit_pairs`` (two of them
            side by side, 100 classes) or ``folder`` (images of one's own).
        raw: the folder with the official files' folder, or one's own folder; ``~`` and ``$NAME`` are expanded.
        check_md5: take the official CIFAR files only.
        download: fetch the official CIFAR files if they are absent.
        image_size: side in pixels that images of ``folder`` are brought to.
        digits_train, digits_test: how many images of ``digit_pairs``.
    """

    source: Literal["cifar10", "cifar100", "digits", "digit_pairs", "folder"]
    raw: Annotated[str, Field(min_length=1)]
    check_md5: bool
    download: bool
    image_size: Annotated[int, Field(ge=8, le=1024)]
    digits_train: Hundreds
    digits_test: Hundreds

    @property
    def kind(self) -> str:
        """What the images are, for reports: ``cifar``, ``digits`` or ``folder``."""
        return KINDS[self.source]


def prepare(settings: DataParams, where: str) -> imageset.ImageSet:
    """The images; ``where`` is the key of the block in params.yaml, for messages.

    Raises:
        InputError: the source is missing or damaged.
    """
    # Imported where used: a digits stage pays for scikit-learn alone, a CIFAR stage for torchvision alone.
    if settings.kind == "digits":
        from eoinas.data import digits

        if settings.source == "digits":
            return digits.digits10()
        return digits.digits100(settings.digits_train, settings.digits_test)
    raw = location.folder(settings.raw, f"{where}.raw")
    if settings.source == "folder":
        from eoinas.data import folder

        return folder.read(raw, settings.image_size)
    from eoinas.data import cifar

    if settings.download:
        cifar.download(raw, settings.source)
    return cifar.read(raw, settings.source, settings.check_md5)
