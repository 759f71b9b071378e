"""The order of the segmentation network's cells (Table IV, choice D40)."""

from typing import Annotated

from pydantic import Field

# N and R, a letter a cell. Two reduction cells give output stride 16; the decoder needs a normal cell before the first.
Cells = Annotated[str, Field(pattern=r"^N+RN*RN*$")]


def plan(cells: str, C: int) -> list[tuple[int, bool, bool]]:
    """For each cell its width, whether it reduces, and whether the cell before did.

    The first cell's older input has twice the sides of the newer one, as after a reduction cell; see ``SegStem``.
    """
    rows, before = [], True
    for letter in cells:
        reduction = letter == "R"
        C *= 2 if reduction else 1
        rows.append((C, reduction, before))
        before = reduction
    return rows
