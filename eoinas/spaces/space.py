"""A search space as a value: its axes, and how its cells are derived, drawn at random, written and built.

Shapes: cells, E edges, O operations. A space is a subclass of ``Space`` and a line in ``spaces.registry``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from eoinas.models.path import Path
    from eoinas.models.supernet import Supernet

NONE = "none"  # the zero operation


@dataclass(frozen=True)
class Space:
    """The axes of every array of a search.

    Attributes:
        name: in ``spaces.registry``.
        operations: names of the candidate operations, entries of ``models.ops.OPERATIONS``.
        cells: names of the cells that are searched.
        edges: (input node i, node j) of a cell, i < j.
    """

    name: str
    operations: tuple[str, ...]
    cells: tuple[str, ...]
    edges: tuple[tuple[int, int], ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Cells, E, O."""
        return len(self.cells), len(self.edges), len(self.operations)

    @property
    def zero(self) -> int | None:
        """Index of the zero operation; None in a space without it."""
        return self.operations.index(NONE) if NONE in self.operations else None

    def derive(self, importance: Tensor, alive: Tensor) -> Any:
        """The cell of a finished search from I [cells, E, O] and who lives [cells, E, O]."""
        raise NotImplementedError

    def random(self, generator: torch.Generator) -> Any:
        """A cell drawn uniformly."""
        raise NotImplementedError

    def path(self, cell: Any) -> Path:
        """The way of a derived cell through the supernet."""
        raise NotImplementedError

    def plain(self, cell: Any) -> dict:
        """A cell as JSON has it."""
        raise NotImplementedError

    def parse(self, value: object, where: str) -> Any:
        """The cell of JSON's plain form; InputError, naming ``where``, if it is none."""
        raise NotImplementedError

    def supernet(self, C: int, layers: int, classes: int, pool_bn: bool) -> Supernet:
        """The supernet for images: forward(images [B, 3, H, W], path) -> logits [B, classes]."""
        raise NotImplementedError
