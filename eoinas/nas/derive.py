"""From importances to a discrete cell: the best operation of an edge, the best edges of a node (Sec. III-C).

Shapes: E edges of a cell (14), O operations (8).
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Best(NamedTuple):
    """The best operation of every edge."""

    operation: Tensor  # int64 [E]
    strength: Tensor  # [E], its importance
    empty: Tensor  # bool [E], the zero operation alone is left there


def best_operations(importance: Tensor, alive: Tensor, zero: int | None) -> Best:
    """The best of the live operations of each edge, the zero operation left out (choice D11).

    Args:
        importance: I [E, O] by which operations are ranked; NaN where one has none.
        alive: [E, O] after the last prune: one operation an edge, or all where nothing was pruned.
        zero: index of the zero operation; None: nothing is left out.

    Where the zero operation alone is left, the best of the operations that died.
    """
    counted = torch.arange(alive.shape[-1]) != (-1 if zero is None else zero)
    live = alive & counted
    empty = ~live.any(-1)
    live = torch.where(empty[:, None], counted, live)
    strength, operation = importance.nan_to_num(-1.0).masked_fill(~live, -torch.inf).max(-1)  # ties: the lower index
    return Best(operation, strength, empty)


def best_edges(best: Best, edges: Sequence[tuple[int, int]], per_node: int) -> list[int]:
    """The ``per_node`` edges into each node with the largest importance, in order; of equals the first, empty ones last."""
    strength = list(zip((~best.empty).tolist(), best.strength.tolist(), strict=True))
    chosen: list[int] = []
    for node in sorted({target for _, target in edges}):
        into = [edge for edge, (_, target) in enumerate(edges) if target == node]
        chosen += sorted(sorted(into, key=strength.__getitem__, reverse=True)[:per_node])  # a stable sort
    return chosen
