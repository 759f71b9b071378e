"""A derived cell as pictures and comparisons need it: operations between nodes, whatever the search space."""

from collections.abc import Sequence
from typing import NamedTuple

from eoinas.errors import InputError
from eoinas.plan import Space

_PER_NODE = 2  # edges into a node of a cell that does not keep all of them
_INPUTS = 2  # input nodes where no search space says how many


class Cell(NamedTuple):
    """One cell. Nodes count from 0, the inputs first; ``concat`` are those that make the output, None: the last node is it."""

    name: str
    inputs: int
    edges: tuple[tuple[str, int, int], ...]  # operation, input node, node
    concat: tuple[int, ...] | None

    @property
    def title(self) -> str:
        """The cell in words."""
        return title(self.name)

    @property
    def output(self) -> int:
        """The node whose feature map leaves the cell."""
        last = max(node for _, _, node in self.edges)
        return last if self.concat is None else last + 1

    @property
    def same_as(self) -> tuple:
        """Equal for cells that compute the same: the order in which edges are listed makes no difference."""
        return self.name, tuple(sorted(self.edges)), None if self.concat is None else tuple(sorted(self.concat))


def title(name: str) -> str:
    """A cell of a search space in words."""
    words = {"reduce": "reduction"}.get(name, name)
    return words if words == "cell" else f"{words} cell"


def parse(value: object, where: str, space: Space | None = None) -> tuple[Cell, ...]:
    """The cells of a genotype's plain form.

    Args:
        value: of each cell NAME: [[operation, input node], ...] in the order of the nodes that the pairs lead into, either all
            edges of ``space`` or equally many a node; and NAME_concat: [node, ...] where nodes are joined to the output.
        where: the file, for the message.
        space: None: two input nodes and two pairs a node.

    Raises:
        InputError: it is no such thing.
    """
    try:
        names = [name for name in value if not name.endswith("_concat")] if space is None else space.cells
        return tuple(_cell(name, value[name], value.get(f"{name}_concat"), space) for name in names)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise InputError(f"{where}: not a cell of this search space; run the stage that writes this file again") from None


def _cell(name: str, pairs: Sequence, concat: Sequence[int] | None, space: Space | None) -> Cell:
    if space is None:
        inputs, targets = _INPUTS, [_INPUTS + index // _PER_NODE for index in range(len(pairs))]
    else:
        nodes = sorted({node for _, node in space.edges})
        inputs, targets = nodes[0], _targets(len(pairs), nodes, [node for _, node in space.edges])
    edges = tuple((str(operation), int(source), node) for (operation, source), node in zip(pairs, targets, strict=True))
    if not edges or not all(0 <= source < node for _, source, node in edges):
        raise ValueError
    return Cell(name, inputs, edges, None if concat is None else tuple(int(node) for node in concat))


def _targets(pairs: int, nodes: Sequence[int], every: list[int]) -> list[int]:
    """The node that each pair leads into."""
    if pairs == len(every):
        return every
    per_node, rest = divmod(pairs, len(nodes))
    if rest:
        raise ValueError
    return [node for node in nodes for _ in range(per_node)]
