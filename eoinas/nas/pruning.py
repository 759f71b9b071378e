"""Search space slimming (SSS), Sec. III-C: the most inferior operation of every edge dies.

Shapes: ``...`` cells and edges (2, 14), O operations (8).
"""

import torch
from torch import Tensor


def most_inferior(die: Tensor, importance: Tensor, alive: Tensor) -> Tensor:
    """Index [...] of the live operation with the highest Die probability; of equals the lower I, then the first (choice A10)."""
    worst = alive & (die == die.masked_fill(~alive, -torch.inf).amax(-1, keepdim=True))
    importance = importance.masked_fill(~worst, torch.inf)
    return (worst & (importance == importance.amin(-1, keepdim=True))).int().argmax(-1)


def prune(die: Tensor, importance: Tensor, alive: Tensor, zero: int | None, zero_may_win: bool) -> tuple[Tensor, Tensor]:
    """Take one operation from every edge of both cells at once (choice A14).

    Args:
        die, importance, alive: [..., O].
        zero: index of the zero operation or None; it loses the last prune of an edge (choice D11) unless ``zero_may_win``.

    Returns:
        ``alive`` afterwards [..., O], and the index of the operation that died on each edge [...].
    """
    victim = most_inferior(die, importance, alive)
    if zero is not None and not zero_may_win:
        last_against_zero = (alive.sum(-1) == 2) & alive[..., zero]
        victim = torch.where(last_against_zero, zero, victim)
    return alive.scatter(-1, victim.unsqueeze(-1), False), victim
