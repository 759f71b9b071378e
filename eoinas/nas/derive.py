"""From importances to the discrete cell: "two edges with the largest values of indicator I for each node" (Sec. III-C).

Shapes: cells (2), E edges (14), O operations (8).
"""

import torch
from torch import Tensor

from eoinas.genotype import CELLS, EDGES, INPUTS, NODES, OPERATIONS, ZERO, Genotype

_CONCAT = tuple(range(INPUTS, INPUTS + NODES))


def derive(importance: Tensor, alive: Tensor) -> Genotype:
    """The cells of a finished search.

    Args:
        importance: I [2, E, O] by which edges are ranked, taken from before the last prune (choice D12).
        alive: [2, E, O] after the last prune: one operation an edge, or all eight where nothing was pruned.

    An edge has the best of its live operations, the zero operation left out (choice D11). Where the zero operation alone is left,
    the edge comes last, with the best of the operations that died.
    """
    zero = torch.arange(len(OPERATIONS)) == ZERO
    candidates = alive & ~zero
    importance = importance.nan_to_num(-1.0)  # a dead operation has no importance
    parts = {}
    for name, cell, live in zip(CELLS, importance, candidates, strict=True):
        empty = ~live.any(-1)  # [E]
        live = torch.where(empty[:, None], ~zero, live)
        strength, operation = cell.masked_fill(~live, -torch.inf).max(-1)  # [E], ties: the lower index
        parts[name] = _best_inputs(list(zip((~empty).tolist(), strength.tolist(), strict=True)), operation.tolist())
        parts[f"{name}_concat"] = _CONCAT
    return Genotype(**parts)


def _best_inputs(strength: list[tuple[bool, float]], operation: list[int]) -> tuple[tuple[str, int], ...]:
    pairs = []
    for node in _CONCAT:
        edges = [edge for edge, (_, target) in enumerate(EDGES) if target == node]
        best = sorted(edges, key=strength.__getitem__, reverse=True)[:2]  # a stable sort: of equals the first
        pairs += [(OPERATIONS[operation[edge]], EDGES[edge][0]) for edge in sorted(best)]
    return tuple(pairs)


def random(generator: torch.Generator) -> Genotype:
    """A cell drawn uniformly: two distinct inputs a node, and on each any operation but zero."""
    operations = [name for name in OPERATIONS if name != "none"]
    parts = {}
    for name in CELLS:
        pairs = []
        for node in _CONCAT:
            sources = sorted(torch.randperm(node, generator=generator)[:2].tolist())
            draws = torch.randint(len(operations), (2,), generator=generator).tolist()
            pairs += [(operations[draw], source) for draw, source in zip(draws, sources, strict=True)]
        parts[name], parts[f"{name}_concat"] = tuple(pairs), _CONCAT
    return Genotype(**parts)
