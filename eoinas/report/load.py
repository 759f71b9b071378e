"""Results of the training stages, as the reports need them. Which files to read follows from params.yaml, never from a listing.

Every function raises InputError, naming the file, if a file is missing or lacks a field.
"""

import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from eoinas import formats, params
from eoinas.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

SEARCHED = ("eoinas", "baseline", "sss")  # the variants that a search, not a draw or a file, ends in
_SOURCES = {
    "digits": "handwritten digits",
    "cifar": "CIFAR-{classes}",
    "folder": "images from a folder",
    "imagenet": "ImageNet",
}


@dataclass(frozen=True)
class Runs:
    """The training runs of one network on one data set; ``errors`` in percent, after the last epoch (choice D31)."""

    errors: tuple[float, ...]
    epochs: int
    images: int
    source: str
    image_size: int
    classes: int

    @property
    def n(self) -> int:
        return len(self.errors)

    @property
    def mean(self) -> float:
        return statistics.fmean(self.errors)

    @property
    def sd(self) -> float | None:
        """Sample standard deviation; None for a single run."""
        return statistics.stdev(self.errors) if self.n > 1 else None

    @property
    def data(self) -> str:
        """The images in words, such as "handwritten digits 16 px"."""
        return f"{_SOURCES.get(self.source, self.source).format(classes=self.classes)} {self.image_size} px"

    @property
    def is_cifar(self) -> bool:
        """Whether the images are those that the paper's columns are about."""
        return self.source == "cifar"


@dataclass(frozen=True)
class Cost:
    """Days that one search took, the mean over the seeds, and on which device."""

    days: float
    device: str


@dataclass(frozen=True)
class Complexity:
    """Trainable numbers and multiply-adds of a network without its auxiliary head."""

    params: int
    multiply_adds: int


def fields(path: str, *names: str) -> list:
    """The values of a JSON file's fields.

    Raises:
        InputError: the file or a field is missing.
    """
    values = formats.read_json(path)
    for name in names:
        if not isinstance(values, dict) or name not in values:
            raise InputError(f"{path}: the field '{name}' is missing; run the stage that writes this file again")
    return [values[name] for name in names]


def runs(scale: str, data: str, entry: str) -> Runs:
    """The runs ``retrain_runs`` of an entry, in that order."""
    errors, rest = [], []
    for group, run in params.top().runs:
        path = f"results/{scale}/retrain/{data}/{entry}/{group}/{run}/result.json"
        epochs, images, wrong, about = fields(path, "epochs", "images", "wrong", "data")
        errors.append(100 * wrong / images)
        rest.append((epochs, images, about["source"], about["image_size"], about["classes"]))
    if len(set(rest)) > 1:
        raise InputError(f"results/{scale}/retrain/{data}/{entry}: the runs differ in epochs or data; run `dvc repro` again")
    return Runs(tuple(errors), *rest[0])


def cost(scale: str, variant: str) -> Cost:
    """Cost of a search of ``variant``, one of SEARCHED."""
    found = []
    for group, seed in params.top().searches:
        found.append(fields(f"results/{scale}/timing/search/{variant}/{group}/{seed}.json", "days", "device"))
    devices = dict.fromkeys(device for _, device in found)
    return Cost(statistics.fmean(days for days, _ in found), ", ".join(devices))


def complexity(scale: str, data: str, entry: str) -> Complexity:
    """Size of an entry's network for ``data``."""
    path = f"results/{scale}/complexity.json"
    networks = fields(path, data)[0]
    if entry not in networks:
        raise InputError(f"{path}: the network {data}.{entry} is missing; run the stage that writes this file again")
    return Complexity(networks[entry]["params"], networks[entry]["multiply_adds"])


def selection(scale: str, variant: str) -> tuple[int, dict[str, float], str]:
    """The selected seed of a variant, the score (accuracy) of every seed, and how they were scored."""
    return tuple(fields(f"results/{scale}/selection/{variant}.json", "seed", "scores", "by"))


def histories(scale: str, variants: tuple[str, ...]) -> "pd.DataFrame":
    """The histories of all searches, one row an epoch, with the columns ``variant`` and ``seed`` in front."""
    import pandas as pd

    parts = []
    for variant in variants:
        for seed in params.top().seeds:
            part = pd.read_csv(_searched(scale, variant, seed, "history.csv"))
            part.insert(0, "variant", variant)
            part.insert(1, "seed", seed)
            parts.append(part)
    return pd.concat(parts, ignore_index=True)


def trace(scale: str, variant: str, seed: int) -> dict[str, "np.ndarray"]:
    """All arrays of a search's trace.npz by name."""
    import numpy as np

    with np.load(_searched(scale, variant, seed, "trace.npz")) as arrays:
        return dict(arrays)


def prune_epochs(scale: str, variant: str, seed: int) -> list[int]:
    """The epochs, counted from 1, after which a search pruned."""
    import numpy as np

    with np.load(_searched(scale, variant, seed, "trace.npz")) as arrays:
        return arrays["prune_epochs"].tolist()


def _searched(scale: str, variant: str, seed: int, name: str) -> str:
    """The path of a file that the search with ``seed`` wrote."""
    groups = [group for group, number in params.top().searches if number == seed]
    if not groups:
        raise InputError(f"{params.FILE}: search_seeds has no seed {seed}, whose search {variant} is shown; run `dvc repro`")
    return existing(f"results/{scale}/search/{variant}/{groups[0]}/{seed}/{name}")


def existing(path: str) -> str:
    """``path``, or InputError if no such file exists."""
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file")
    return path
