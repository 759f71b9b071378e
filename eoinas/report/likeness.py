"""How alike the cells are that searches ended in."""

from collections import Counter
from fractions import Fraction
from itertools import combinations, product

from eoinas import plan as plans
from eoinas.report import cell, load

ZERO = "none"  # the operation that no cell keeps


def found(scale: str) -> dict[str, dict[int, tuple[cell.Cell, ...]]]:
    """The cells of every search, by variant (random search among them) and seed.

    Raises:
        InputError: a genotype is missing.
    """
    plan = plans.load(scale)
    return {
        name: {seed: load.cells(scale, f"results/{scale}/derive/{name}/{seed}/genotype.json") for seed in plan.seeds}
        for name in plan.candidates
    }


def shared(one: tuple[cell.Cell, ...], other: tuple[cell.Cell, ...]) -> int:
    """Edges that both have with the same operation between the same nodes."""
    return sum((Counter(a.edges) & Counter(b.edges)).total() for a, b in zip(one, other, strict=True))


def edges(cells: tuple[cell.Cell, ...]) -> int:
    """All edges of the cells."""
    return sum(len(each.edges) for each in cells)


def chance(cells: tuple[cell.Cell, ...], space: plans.Space) -> Fraction:
    """Shared edges of two cells of this form on average, the different inputs of a node and the operations drawn evenly."""
    operations = len(space.operations.keys() - {ZERO})
    into = [Counter(node for _, _, node in each.edges) for each in cells]
    return sum((Fraction(count**2, node * operations) for nodes in into for node, count in nodes.items()), Fraction(0))


def same_seed(cells: dict[str, dict[int, tuple[cell.Cell, ...]]], one: str, other: str) -> list[int]:
    """Shared edges of two variants' cells, a seed each."""
    return [shared(cells[one][seed], cells[other][seed]) for seed in cells[one]]


def other_seeds(cells: dict[str, dict[int, tuple[cell.Cell, ...]]], one: str, other: str) -> list[int]:
    """Shared edges of the cells of two searches that have different seeds; of one variant, each pair once."""
    pairs = combinations(cells[one], 2) if one == other else ((a, b) for a, b in product(cells[one], cells[other]) if a != b)
    return [shared(cells[one][a], cells[other][b]) for a, b in pairs]


def without_weights(cells: tuple[cell.Cell, ...], space: plans.Space) -> int:
    """Edges whose operation has nothing to train: skips and pools."""
    return sum(not space.operations[operation].weights for each in cells for operation, _, _ in each.edges)
