"""What a genotype is and costs: ``python -m eoinas.describe GENOTYPE [--json] [--draw PNG | --no-draw]``.

GENOTYPE is a JSON file or a cell as it is published, ``Genotype(normal=[...], ...)``.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from eoinas import genotype
from eoinas.errors import InputError
from eoinas.genotype import Genotype
from eoinas.metrics import complexity
from eoinas.models import ops
from eoinas.models.cifar import NetworkCIFAR
from eoinas.models.classifier import Classifier
from eoinas.models.imagenet import NetworkImageNet
from eoinas.report import cell as drawn
from eoinas.report import cells


@dataclass(frozen=True)
class Setting:
    """A network of Sec. IV-C or IV-D: C channels in the first cell, image size in pixels."""

    title: str
    network: Callable[..., Classifier]
    C: int
    layers: int
    classes: int
    image_size: int


SETTINGS = {
    "cifar10": Setting("CIFAR-10", NetworkCIFAR, 36, 20, 10, 32),
    "cifar100": Setting("CIFAR-100", NetworkCIFAR, 36, 20, 100, 32),
    "imagenet": Setting("ImageNet", NetworkImageNet, 48, 14, 1000, 224),  # choice D35
}


def costs(cell: Genotype, setting: Setting) -> dict[str, int]:
    """Parameters without and with the auxiliary head and multiply-adds by ``complexity.CONVENTION``, in units of 1."""
    with torch.device("meta"):
        network = setting.network(cell, setting.C, setting.layers, setting.classes, setting.image_size)
    everything = complexity.parameters(network)
    work = complexity.multiply_adds(network, setting.image_size)
    return {
        "params": everything - complexity.parameters(network.auxiliary),
        "params_with_aux": everything,
        "macs_conv": work["conv"],
        "macs_linear": work["linear"],
    }


def table(numbers: dict[str, dict[str, int]]) -> str:
    """The costs of every setting as aligned text, one line a network."""
    rows = [("network", "C", "cells", "classes", "image", "parameters", "with auxiliary", "multiply-adds")]
    for name, cost in numbers.items():
        setting = SETTINGS[name]
        sizes = (setting.C, setting.layers, setting.classes, setting.image_size)
        amounts = (cost["params"], cost["params_with_aux"], cost["macs_conv"] + cost["macs_linear"])
        rows.append((setting.title, *(str(size) for size in sizes), *(f"{amount:,}" for amount in amounts)))
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *(text.rjust(width) for text, width in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def run(path: Path, as_json: bool, picture: Path | None) -> None:
    """Print the description of the genotype in ``path``, and draw it to ``picture`` unless that is None.

    Raises:
        InputError: the genotype is missing or invalid, or the picture cannot be written.
    """
    cell = genotype.load(path)
    shown = drawn.parse(genotype.plain(cell), str(path))
    if picture is not None:  # first, so that a picture that cannot be written costs no waiting
        try:
            names = sorted({name for each in shown for name, _, _ in each.edges})
            cells.draw(
                shown, picture, path.stem, cells.operations(names, {name for name in names if ops.OPERATIONS[name].weights})
            )
        except OSError as error:
            raise InputError(f"{picture}: cannot be written ({error.strerror})") from None
    numbers = {name: costs(cell, setting) for name, setting in SETTINGS.items()}
    if as_json:
        drawing = None if picture is None else str(picture)
        print(json.dumps({"genotype": genotype.plain(cell), "convention": complexity.CONVENTION, **numbers, "drawing": drawing}))
        return
    print(f"{path}\n\n{cells.as_text(shown)}\n{table(numbers)}")
    print(f"Image sides in pixels. Last column: {complexity.CONVENTION}.")
    if picture is not None:
        print(f"Cells drawn in {picture}.")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m eoinas.describe", description="What a genotype is and costs.")
    parser.add_argument(
        "genotype", type=Path, metavar="GENOTYPE", help="a JSON file, or text such as Genotype(normal=[...], ...)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    drawing = parser.add_mutually_exclusive_group()
    drawing.add_argument("--draw", type=Path, metavar="PNG", help="where to draw the cells; default: <stem>_cells.png here")
    drawing.add_argument("--no-draw", action="store_true", help="draw nothing")
    given = parser.parse_args(arguments)
    picture = None if given.no_draw else given.draw or Path(f"{given.genotype.stem}_cells.png")
    try:
        run(given.genotype, given.json, picture)
    except (InputError, OSError) as error:
        print(f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
