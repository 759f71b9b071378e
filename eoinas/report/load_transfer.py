"""Results on ImageNet and street scenes and of the stand-alone networks, as the reports need them.

Every function raises InputError, naming the file, if a file is missing or lacks a field.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from eoinas import plan as plans
from eoinas.errors import InputError
from eoinas.report import load

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

INITS = ("scratch", "pretrained")  # of a network for street scenes
IMAGENET = (1000, 50_000)  # classes and validation images
CITYSCAPES = {"train": 2975, "val": 500}  # finely labelled images
_SCENES = {"drawn": "street scenes drawn by code", "folder": "street scenes from a folder"}


def imagenet(scale: str, entry: str) -> tuple[load.Runs, load.Runs]:
    """Top-1 and top-5 errors of an entry after the last epoch, a single run each."""
    path = f"results/{scale}/imagenet/{entry}/result.json"
    epochs, images, top1, top5, about = load.fields(path, "epochs", "images", "wrong_top1", "wrong_top5", "data")
    whole = (about["classes"], images) == IMAGENET
    source = _name(about["source"], whole, "imagenet", plans.load(scale).titles.imagenet)
    rest = (epochs, images, source, about["image_size"], about["classes"])
    return load.Runs((100 * top1 / images,), *rest), load.Runs((100 * top5 / images,), *rest)


def _name(source: str, whole: bool, official: str, given: str) -> str:
    """Of images in a folder: that of the data set if they are the whole of it, else what params.yaml calls them."""
    if source != "folder":
        return source
    return official if whole else given or source


@dataclass(frozen=True)
class Segmented:
    """A network's labels of the validation scenes; IoU in percent, None for a class that never occurs."""

    iou: dict[str, float | None]
    miou: float
    images: int
    iterations: int
    data: str
    classes: int  # that occur in the labels, over which the mean is taken
    lent: bool  # whether others made the scenes, so that their terms hold for pictures of them


def segmented(scale: str, entry: str, init: str) -> Segmented:
    """IoU of an entry's network trained from ``init``, one of INITS."""
    path = f"results/{scale}/seg_evaluate/{entry}/{init}/result.json"
    iou, miou, images, iterations, about = load.fields(path, "iou", "miou", "images", "iterations", "data")
    if miou is None:
        raise InputError(f"{path}: none of the classes occurs in the validation labels; check the data")
    percent = {name: None if value is None else 100 * value for name, value in iou.items()}
    name = _name(about["source"], about["counts"] == CITYSCAPES, "Cityscapes", plans.load(scale).titles.cityscapes)
    data = _SCENES.get(name, name)
    return Segmented(
        percent,
        100 * miou,
        images,
        iterations,
        data,
        sum(value is not None for value in iou.values()),
        about["source"] != "drawn",
    )


def seg_cost(scale: str) -> load.Cost:
    """Cost of the search on street scenes."""
    return load.Cost(*load.fields(f"results/{scale}/timing/seg_search.json", "days", "device"))


def seg_history(scale: str) -> "pd.DataFrame":
    """The history of the search on street scenes, one row an epoch."""
    import pandas as pd

    return pd.read_csv(load.existing(f"results/{scale}/seg_search/history.csv"))


def seg_prune_epochs(scale: str) -> list[int]:
    """The epochs, counted from 1, after which the search on street scenes pruned."""
    import numpy as np

    with np.load(load.existing(f"results/{scale}/seg_search/trace.npz")) as arrays:
        return arrays["prune_epochs"].tolist()


@dataclass(frozen=True)
class Standalone:
    """The stand-alone networks of one edge of the first cell: for each operation the test errors of its runs."""

    edge: tuple[int, int]
    index: int  # of the edge in the axis E of a trace
    runs: dict[str, load.Runs]


def standalone(scale: str) -> Standalone:
    """The networks in which one operation of the final cell is replaced, by operation in the order of the search space."""
    plan = plans.load(scale)
    runs, edges = {}, set()
    for operation in plan.space.operations:
        path = f"results/{scale}/standalone/{operation}/result.json"
        edge, epochs, found, about = load.fields(path, "edge", "epochs", "runs", "data")
        images = {run["images"] for run in found}
        edges.add((tuple(edge), epochs, len(found), *images, about["source"], about["image_size"], about["classes"]))
        errors = tuple(100 * run["wrong"] / run["images"] for run in found)
        source = _name(about["source"], False, "", plan.datasets[plan.searched_on].title)
        rest = (found[0]["images"], source, about["image_size"], about["classes"])
        runs[operation] = load.Runs(errors, epochs, *rest)
    if len(edges) > 1:
        raise InputError(f"results/{scale}/standalone: the operations differ in edge, runs or data; run `dvc repro` again")
    if edge not in plan.space.edges:
        raise InputError(f"{path}: {edge} is no edge of the search space; run the stage standalone again")
    return Standalone(tuple(edge), plan.space.edge(*edge), runs)


def before_first_prune(trace: dict[str, "np.ndarray"]) -> int:
    """The last step of a search's chain at which all operations live, an index into the trace's first axis."""
    prunes = trace["prune_epochs"]
    return int((trace["epoch"] <= prunes[0]).sum() if len(prunes) else len(trace["epoch"])) - 1  # a prune follows its step
