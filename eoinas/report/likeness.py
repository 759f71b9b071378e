"""How alike the cells are that searches ended in."""

from collections import Counter
from fractions import Fraction
from itertools import combinations, product

from eoinas import plan as plans
from eoinas.report import cell, load

Cells = tuple[cell.Cell, ...]  # of one search
Pair = tuple[Cells, Cells]
Found = dict[str, dict[int, Cells]]
ZERO = "none"  # the operation that no cell keeps


def found(scale: str) -> Found:
    """The cells of every search, by variant (random search among them) and seed.

    Raises:
        InputError: a genotype is missing.
    """
    plan = plans.load(scale)
    return {
        name: {seed: load.cells(scale, f"results/{scale}/derive/{name}/{seed}/genotype.json") for seed in plan.seeds}
        for name in plan.candidates
    }


def shared(one: Cells, other: Cells) -> int:
    """Edges that both have with the same operation between the same nodes."""
    return sum((Counter(a.edges) & Counter(b.edges)).total() for a, b in zip(one, other, strict=True))


def edges(cells: Cells) -> int:
    """All edges of the cells."""
    return sum(len(each.edges) for each in cells)


def chance(cells: Cells, space: plans.Space) -> Fraction:
    """Shared edges of two cells of this form on average, the different inputs of a node and the operations drawn evenly."""
    operations = len(space.operations.keys() - {ZERO})
    into = [Counter(node for _, _, node in each.edges) for each in cells]
    return sum((Fraction(count**2, node * operations) for nodes in into for node, count in nodes.items()), Fraction(0))


def by_operations(one: Cells, other: Cells) -> float:
    """Shared edges of cells with these operations on average, were each cell's dealt out over its edges and inputs at random."""
    expected = 0.0
    for a, b in zip(one, other, strict=True):
        first, second = (Counter(operation for operation, _, _ in each.edges) for each in (a, b))
        alike = sum(first[name] * second[name] for name in first) / (first.total() * second.total())
        expected += alike * sum(count**2 / node for node, count in Counter(node for _, _, node in a.edges).items())
    return expected


def same_seed(cells: Found, one: str, other: str) -> list[Pair]:
    """The cells of two variants, a seed each."""
    return [(cells[one][seed], cells[other][seed]) for seed in cells[one]]


def other_seeds(cells: Found, one: str, other: str) -> list[Pair]:
    """The cells of two searches that have different seeds; of one variant, each pair once."""
    pairs = combinations(cells[one], 2) if one == other else ((a, b) for a, b in product(cells[one], cells[other]) if a != b)
    return [(cells[one][a], cells[other][b]) for a, b in pairs]


def simple(cells: Cells, space: plans.Space) -> int:
    """Edges with a skip or a pool, which have nothing to train at stride 1."""
    return sum(not space.operations[operation].weights for each in cells for operation, _, _ in each.edges)


def simple_by_chance(cells: Cells, space: plans.Space) -> float:
    """The same of cells of this form whose operations are drawn evenly."""
    found = [operation.weights for name, operation in space.operations.items() if name != ZERO]
    return edges(cells) * found.count(False) / len(found)
