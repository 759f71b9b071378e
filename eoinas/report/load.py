"""Results of the training stages, as the reports need them. Which files to read follows from the plan, never from a listing.

Every function raises InputError, naming the file, if a file is missing or lacks a field.
"""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from eoinas import formats
from eoinas import plan as plans
from eoinas.errors import InputError
from eoinas.report import cell

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

CIFAR_TEST = 10_000  # test images of either official data set
_SOURCES = {
    "digits": "handwritten digits",
    "cifar": "CIFAR-{classes}",
    "folder": "images from a folder",  # that have no name
    "imagenet": "ImageNet",
}


class Sample:
    """Number, mean and spread of ``errors``, in percent."""

    errors: tuple[float, ...]

    @property
    def n(self) -> int:
        return len(self.errors)

    @property
    def mean(self) -> float:
        return statistics.fmean(self.errors)

    @property
    def sd(self) -> float | None:
        """Sample standard deviation; None for a single value."""
        return statistics.stdev(self.errors) if self.n > 1 else None


@dataclass(frozen=True)
class Runs(Sample):
    """The training runs of one network on one data set; ``errors`` in percent, after the last epoch (choice D31)."""

    errors: tuple[float, ...]
    epochs: int
    images: int
    source: str  # of _SOURCES, or what params.yaml calls a folder of images
    image_size: int
    classes: int

    @property
    def what(self) -> str:
        """What the images are, such as "handwritten digits" or "CIFAR-10"."""
        part = self.source == "cifar" and self.images < CIFAR_TEST
        known = _SOURCES.get(self.source)
        return "a part of " * part + (known.format(classes=self.classes) if known else self.source)

    @property
    def data(self) -> str:
        """The images in words, such as "handwritten digits 16 px"."""
        return f"{self.what} {self.image_size} px"


@dataclass(frozen=True)
class Searches(Sample):
    """The cells of all searches of a variant, or all random ones, each trained from scratch: a search counts once."""

    by_seed: dict[int, Runs]
    selected: int  # the seed that was selected

    @property
    def errors(self) -> tuple[float, ...]:  # type: ignore[override]  # made of ``by_seed``, where ``Runs`` has a field
        """Percent, a search: the mean of its cell's runs."""
        return tuple(runs.mean for runs in self.by_seed.values())

    @property
    def about(self) -> Runs:
        """One cell's runs, for what all have in common."""
        return next(iter(self.by_seed.values()))


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
    plan, folder = plans.load(scale), f"results/{scale}/retrain/{data}-{entry}"
    return _runs(folder, [f"{folder}/{item}/{run}/result.json" for item, run in plan.runs], plan.datasets[data].title)


def over_searches(scale: str, candidate: str) -> Searches:
    """The runs of every search's cell of ``candidate``, a variant or random.

    The selected cell may be that of an entry; then the first of its runs serve.
    """
    plan, selected = plans.load(scale), selection(scale, candidate)[0]
    served_by = plan.per_seed.served_by.get(candidate)
    found = {}
    for item, seed in plan.searches:
        folder = f"results/{scale}/retrain_seeds/{candidate}/{item}/{seed}"
        paths = [f"{folder}/{run}/result.json" for run in range(plan.per_seed.runs)]
        if seed == selected and served_by is not None:
            folder = f"results/{scale}/retrain/{plan.searched_on}-{served_by}"
            paths = [f"{folder}/{item}/{run}/result.json" for item, run in plan.runs[: plan.per_seed.runs]]
        found[seed] = _runs(folder, paths, plan.datasets[plan.searched_on].title)
    if len({(runs.epochs, runs.images, runs.data, runs.classes) for runs in found.values()}) > 1:
        raise InputError(f"results/{scale}/retrain_seeds/{candidate}: the seeds differ in epochs or data; run `dvc repro` again")
    return Searches(found, selected)


def _runs(folder: str, paths: list[str], title: str) -> Runs:
    """The runs whose results lie in ``paths``, all below ``folder``; images in a folder are called ``title``."""
    errors, rest = [], []
    for path in paths:
        epochs, images, wrong, about = fields(path, "epochs", "images", "wrong", "data")
        errors.append(100 * wrong / images)
        source = title if about["source"] == "folder" else about["source"]
        rest.append((epochs, images, source, about["image_size"], about["classes"]))
    if len(set(rest)) > 1:
        raise InputError(f"{folder}: the runs differ in epochs or data; run `dvc repro` again")
    return Runs(tuple(errors), *rest[0])


def cost(scale: str, genotype: str) -> Cost | None:
    """Cost of a search of the variant ``genotype``; None for what no search has found: random and given cells."""
    plan = plans.load(scale)
    if genotype not in plan.variants:
        return None
    return mean_cost(f"results/{scale}/timing/search/{genotype}/{item}/{seed}.json" for item, seed in plan.searches)


def mean_cost(paths: Iterable[str]) -> Cost:
    """The mean of several searches, a file each."""
    found = [fields(path, "days", "device") for path in paths]
    devices = dict.fromkeys(device for _, device in found)
    return Cost(statistics.fmean(days for days, _ in found), ", ".join(devices))


def complexity(scale: str, data: str, entry: str) -> Complexity:
    """Size of an entry's network for ``data``, a data set's name or "imagenet"."""
    path = f"results/{scale}/complexity/{data if data == 'imagenet' else 'images'}.json"
    networks = fields(path, data)[0]
    if entry not in networks:
        raise InputError(f"{path}: the network {data}.{entry} is missing; run the stage that writes this file again")
    return Complexity(networks[entry]["params"], networks[entry]["multiply_adds"])


def selection(scale: str, variant: str) -> tuple[int, dict[str, float], str]:
    """The selected seed of a variant, the score (accuracy) of every seed, and how they were scored."""
    return tuple(fields(f"results/{scale}/selection/{variant}.json", "seed", "scores", "by"))


def cells(scale: str, path: str) -> tuple[cell.Cell, ...]:
    """The cells of a genotype file that a stage wrote."""
    space = plans.load(scale).space
    found = cell.parse(formats.read_json(path), path, space)
    for operation in {operation for each in found for operation, _, _ in each.edges} - space.operations.keys():
        raise InputError(f"{path}: {operation} is no operation of the search space; run the stage that writes this file again")
    return found


def selected_cells(scale: str, candidate: str) -> tuple[cell.Cell, ...]:
    """The cells selected for a variant, or of the random ones."""
    return cells(scale, f"results/{scale}/genotypes/{candidate}.json")


def histories(scale: str, variants: Sequence[str]) -> "pd.DataFrame":
    """The histories of all searches, one row an epoch, with the columns ``variant`` and ``seed`` in front."""
    import pandas as pd

    parts = []
    for variant in variants:
        for seed in plans.load(scale).seeds:
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
    items = [item for item, number in plans.load(scale).searches if number == seed]
    if not items:
        raise InputError(f"no search of {variant} has the seed {seed}, which was selected; run `dvc repro`")
    return existing(f"results/{scale}/search/{variant}/{items[0]}/{seed}/{name}")


def existing(path: str) -> str:
    """``path``, or InputError if no such file exists."""
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file")
    return path
