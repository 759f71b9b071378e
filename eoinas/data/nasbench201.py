"""The accuracies of all cells of NAS-Bench-201 (Dong and Yang, ICLR 2020), and what follows from them.

A cell is a row; its number reads its operations as digits of base 5, edges in the benchmark's order, operations in that of
``OPERATIONS``.
Shapes: N cells (15,625), E edges (6), O operations (5). Accuracies are in percent, after 200 epochs, the mean over the
benchmark's own trainings of a cell.
"""

import hashlib
import io
import lzma
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from eoinas.errors import InputError

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
PAIRS = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))  # of each edge its input node and node; 0 is the input, 3 the output
EDGES = len(PAIRS)
CELLS = len(OPERATIONS) ** EDGES
VALID, TEST = "cifar10_valid", "cifar10_test"
# Columns of the file and their titles. ``VALID`` is of networks trained on half of CIFAR-10's training images, on the other half.
ACCURACIES = {
    VALID: "CIFAR-10, validation",
    TEST: "CIFAR-10, test",
    "cifar100_test": "CIFAR-100, test",
    "imagenet16_test": "ImageNet16-120, test",
}
KEY = "operations"  # six digits, a cell


def in_use(operations: Sequence[int]) -> int:
    """Edges of a cell, given each one's operation, on a way from its input to its output that no zero interrupts."""
    carry = [pair for pair, operation in zip(PAIRS, operations, strict=True) if operation != 0]
    fed, used = {0}, {3}
    for source, node in carry:
        fed |= {node} if source in fed else set()
    for source, node in reversed(carry):
        used |= {source} if node in used else set()
    return sum(source in fed and node in used for source, node in carry)


@dataclass(frozen=True, eq=False)
class Table:
    """Accuracies [N] of every cell, by column, in the order of the cells' numbers."""

    columns: dict[str, np.ndarray]

    def accuracy(self, operations: Sequence[str], column: str = TEST) -> float:
        """Of one cell, given the operation of each edge."""
        return float(self.columns[column][number(operations)])

    def rank(self, operations: Sequence[str], column: str = TEST) -> int:
        """1 for the best cell; of equals the lower."""
        values = self.columns[column]
        return 1 + int((values > values[number(operations)]).sum())

    @cached_property
    def digits(self) -> np.ndarray:
        """Operations of every cell, int [N, E]."""
        return np.stack(np.unravel_index(np.arange(CELLS), (len(OPERATIONS),) * EDGES), -1)

    def mean_with(self, column: str = TEST) -> np.ndarray:
        """True strength, first definition: the mean of all cells with an operation on an edge [E, O]."""
        return self._with(np.mean, column)

    def best_with(self, column: str = TEST) -> np.ndarray:
        """True strength, second definition: the best cell with an operation on an edge [E, O]."""
        return self._with(np.max, column)

    def replaced(self, operations: Sequence[str], column: str = TEST) -> np.ndarray:
        """True strength, third definition: a cell with one operation replaced [E, O], as in the paper's Figs. 1 and 4."""
        cell = [OPERATIONS.index(name) for name in operations]
        found = [
            [self.columns[column][_number([*cell[:edge], operation, *cell[edge + 1 :]])] for operation in range(len(OPERATIONS))]
            for edge in range(EDGES)
        ]
        return np.array(found)

    def _with(self, summary: Callable[[np.ndarray], float], column: str) -> np.ndarray:
        values = self.columns[column]
        return np.array([[summary(values[self.digits[:, edge] == o]) for o in range(len(OPERATIONS))] for edge in range(EDGES)])

    def best_of(self, draws: int, column: str = TEST) -> np.ndarray:
        """The distribution of what random search finds: the test accuracy of the best of ``draws`` cells by ``VALID``.

        Returns:
            Probabilities [N], exact, that a cell is the one found; cells are drawn with replacement. Of equals in ``VALID``
            the one with the lower number is found.
        """
        order = np.lexsort((-np.arange(CELLS), self.columns[VALID]))  # worst first
        below = np.arange(CELLS + 1) / CELLS
        chances = np.empty(CELLS)
        chances[order] = below[1:] ** draws - below[:-1] ** draws
        return chances


def number(operations: Sequence[str]) -> int:
    """The row of a cell, given the operation of each edge.

    Raises:
        InputError: it has another number of edges or another operation.
    """
    if len(operations) != EDGES or set(operations) - set(OPERATIONS):
        raise InputError(
            f"{'|'.join(operations):.200}: no cell of NAS-Bench-201, which has six edges and {', '.join(OPERATIONS)}"
        )
    return _number([OPERATIONS.index(name) for name in operations])


def _number(digits: Sequence[int]) -> int:
    return int("".join(map(str, digits)), len(OPERATIONS))


def load(path: Path | str, sha256: str) -> Table:
    """Read and check the table, CSV packed by xz.

    Args:
        sha256: of the file; empty: not checked.

    Raises:
        InputError: the file is missing, not that one, or does not have every cell once.
    """
    import pandas as pd

    where = f"{path}"
    try:
        blob = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{where}: {error.strerror}; bench.table in params.yaml says where the table is") from None
    if sha256 and hashlib.sha256(blob).hexdigest() != sha256:
        raise InputError(
            f"{where}: its SHA-256 is not that of bench.sha256; restore the file, or empty bench.sha256 for another table"
        )
    try:
        found = pd.read_csv(io.BytesIO(lzma.decompress(blob)), dtype={KEY: str})
        columns = {name: found[name].to_numpy(np.float64) for name in ACCURACIES}
        cells = found[KEY].tolist()
    except (lzma.LZMAError, ValueError, KeyError, UnicodeDecodeError, pd.errors.ParserError) as error:
        columns_needed = ", ".join((KEY, *ACCURACIES))
        raise InputError(f"{where}: no CSV packed by xz with the columns {columns_needed} ({error!s:.100})") from None
    known = {format_cell(index) for index in range(CELLS)}
    if unknown := [cell for cell in cells if cell not in known]:
        raise InputError(f"{where}: the cell {unknown[0]!r:.40} is unknown; six digits of 0 to 4 make one")
    if len(set(cells)) < len(cells):
        twice = next(cell for cell in cells if cells.count(cell) > 1)
        raise InputError(f"{where}: the cell {twice} stands twice")
    if missing := known - set(cells):
        raise InputError(f"{where}: the cell {min(missing)} is missing")
    order = np.argsort([int(cell, len(OPERATIONS)) for cell in cells])
    for name, values in columns.items():
        if not ((values >= 0) & (values <= 100)).all():
            raise InputError(f"{where}: {name} has a value that is no percentage")
    return Table({name: values[order] for name, values in columns.items()})


def format_cell(index: int) -> str:
    """Six digits of base 5."""
    return "".join(str(digit) for digit in np.unravel_index(index, (len(OPERATIONS),) * EDGES))
