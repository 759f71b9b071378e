"""Table IV: the network of the segmentation search, as it was built and as the paper has it."""

from collections.abc import Sequence
from itertools import zip_longest
from typing import NamedTuple

from eoinas.report import reference, table
from eoinas.report.scale import is_paper, opening

COLUMNS = ("s", "Feature map size", "Output stride")


class Layer(NamedTuple):
    """A layer that a forward pass went through; the fields of ``metrics.structure.Stage``."""

    name: str
    stride: int | None
    height: int
    width: int
    output_stride: int


def table_4(scale: str, layers: Sequence[Layer], size: int) -> table.Table:
    """The layers in order, cells of a kind in one row, beside the paper's.

    Args:
        size: side in pixels of the crop that went through.
    """
    built = rows(layers)
    equal = built == list(reference.TABLE_4)
    pairs = list(zip_longest(built, reference.TABLE_4))
    blank = ("",) * 4
    head = ("Built here", *COLUMNS, "Quoted", *COLUMNS)
    sides = [[*(mine or blank), *(quoted or blank)] for mine, quoted in pairs]
    verdict = "Row by row the two are the same." if equal else "The two differ."
    caution = (
        ""
        if equal or is_paper(scale)
        else f" **{opening(scale)}: fewer cells and smaller crops than the paper's are meant to differ.**"
    )
    markdown = "\n".join(
        [
            table.heading(scale, "IV", "the network of the search on street scenes"),
            f"> Columns on the left: read off the network of the {scale} scale while a crop of {size}×{size} pixels went "
            f"through it. Columns on the right: quoted from the paper. {verdict}{caution}\n",
            table.grid(head, sides),
            table.notes(["s: stride of the layer. ×n: so many cells of a kind in turn. ASPP: atrous spatial pyramid pooling."]),
        ]
    )
    records = [_record("built", scale, row) for row in built] + [_record("quoted", None, row) for row in reference.TABLE_4]
    return table.Table(markdown, table.csv_text(records), {})


def rows(layers: Sequence[Layer]) -> list[reference.SearchNetwork]:
    """Layers as the paper prints them, cells with the same values in one row."""
    found: list[tuple[Layer, int]] = []
    for layer in layers:
        if found and found[-1][0] == layer and "cell" in layer.name:
            found[-1] = (layer, found[-1][1] + 1)
        else:
            found.append((layer, 1))
    return [_row(layer, count) for layer, count in found]


def _row(layer: Layer, count: int) -> reference.SearchNetwork:
    name = f"{layer.name}×{count}" if "cell" in layer.name else layer.name
    stride = reference.NONE if layer.stride is None else str(layer.stride)
    return reference.SearchNetwork(name, stride, f"{layer.height}×{layer.width}", str(layer.output_stride))


def _record(source: str, scale: str | None, row: reference.SearchNetwork) -> dict:
    return {"source": source, "scale": scale, **row._asdict()}
