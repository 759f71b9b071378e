"""Fig. 11: validation scenes beside the truth and what the trained networks say, in the colours of Cityscapes."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from eoinas import params
from eoinas import plan as plans
from eoinas.data import cityscapes
from eoinas.data.cityscapes_labels import COLOURS, EVALUATED, IGNORE, TO_TRAIN
from eoinas.errors import InputError
from eoinas.report import load_transfer, plot, table
from eoinas.report.scale import announce
from eoinas.report.table_5 import INITS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROWS = 4
WIDTH = 3.9  # of a picture, in inches


def fig_11(scale: str, path: Path | str) -> None:
    """Draw ``ROWS`` scenes, evenly spread over the validation set; the networks are those of the first entry of the plan.

    Raises:
        InputError: a picture or a result is missing.
    """
    plot.style()
    from matplotlib.figure import Figure

    plan = plans.load(scale)
    entry, about = next(iter(plan.cityscapes.items()))
    # Where the pictures lie, for they are never copied.
    settings = params.read_settings(cityscapes.CityscapesDataParams, scale, "cityscapes_data")
    scenes = cityscapes.load(f"data/prepared/{scale}/cityscapes", settings)
    chosen = spread(scenes.split("val"), ROWS)
    titles = ["image", "ground truth", *(table.name(plan, about) + INITS[init] for init in load_transfer.INITS)]
    rows = [_row(scale, entry, scenes.root, pair) for pair in chosen]
    tall = [WIDTH * row[0].shape[0] / row[0].shape[1] for row in rows]
    figure = Figure(figsize=(WIDTH * len(titles), sum(tall) + 0.06 * len(tall) + 1.4), layout="constrained")
    panels = figure.subplots(len(rows), len(titles), height_ratios=tall, squeeze=False)
    for place, (row, pair) in enumerate(zip(rows, chosen, strict=True)):
        for axes, picture in zip(panels[place], row, strict=True):
            axes.imshow(picture, interpolation="antialiased" if picture is row[0] else "nearest")
            axes.set(xticks=[], yticks=[])
            axes.grid(False)
        panels[place, 0].set_ylabel(pair.name, fontsize=8)
    for axes, title in zip(panels[0], titles, strict=True):
        axes.set_title(title)
    _legend(figure)
    images = load_transfer.segmented(scale, entry, load_transfer.INITS[0]).data
    figure.suptitle(f"Fig. 11: {len(rows)} of the val images of {images}, entry {entry} ({announce(scale)})", fontsize=13)
    plot.save(figure, path)


def spread(pairs: list[cityscapes.Pair], count: int) -> list[cityscapes.Pair]:
    """``count`` of the pairs, evenly spread and with the first, or all if there are no more."""
    return [pairs[index * len(pairs) // count] for index in range(count)] if len(pairs) > count else pairs


def _row(scale: str, entry: str, root: Path, pair: cityscapes.Pair) -> list[np.ndarray]:
    """The picture, and in colours the truth and what each network says, each uint8 [height, width, 3]."""
    row = [np.asarray(cityscapes.image(root, pair)), COLOURS[cityscapes.labels(root, pair)]]
    return row + [COLOURS[_predicted(scale, entry, init, pair)] for init in load_transfer.INITS]


def _predicted(scale: str, entry: str, init: str, pair: cityscapes.Pair) -> np.ndarray:
    """Train ids that a network gave a scene, uint8 [height, width]."""
    path = Path(f"results/{scale}/seg_evaluate/{entry}/{init}/predictions/{pair.name}_pred_labelIds.png")
    with cityscapes.open_image(path) as file:
        ids = np.asarray(cityscapes.decoded(file, path))
    if ids.shape != (pair.height, pair.width):
        raise InputError(f"{path}: not of the size of the picture; run the stage seg_evaluate again")
    return TO_TRAIN[ids]


def _legend(figure: "Figure") -> None:
    from matplotlib.patches import Patch

    entries = [(label.name, COLOURS[label.train_id]) for label in EVALUATED] + [("not scored", COLOURS[IGNORE])]
    patches = [Patch(facecolor=colour / 255, edgecolor="0.4", linewidth=0.5, label=name) for name, colour in entries]
    figure.legend(handles=patches, loc="outside lower center", ncols=10, frameon=False, fontsize=10)
