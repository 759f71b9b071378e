"""The relaxation of Sec. III-A: architecture weights and the draw of one operation an edge.

Shapes: ``...`` cells and edges (2, 14), O operations (8). ``alive`` marks the operations that have not been pruned.
"""

import torch
from torch import Tensor


def architecture_weights(alpha: Tensor, alive: Tensor) -> Tensor:
    """beta of eq. (2) [..., O]: softmax of alpha over the live operations, 0 elsewhere (choice D13)."""
    return torch.softmax(alpha.masked_fill(~alive, -torch.inf), -1)  # Eq. (2)


def noise(shape: torch.Size, generator: torch.Generator) -> Tensor:
    """tau of eq. (5): i.i.d. draws from Gumbel(0, 1)."""
    return -torch.empty(shape).exponential_(generator=generator).log()


def relax(alpha: Tensor, alive: Tensor, tau: Tensor, temperature: float) -> Tensor:
    """h of eq. (5) [..., O], differentiable in alpha; its argmax is a draw from beta (the Gumbel-max trick)."""
    return torch.softmax(((alpha + tau) / temperature).masked_fill(~alive, -torch.inf), -1)  # Eq. (5)


def straight_through(h: Tensor, index: Tensor) -> Tensor:
    """Weight of the drawn operation [...]: 1 in the forward pass, the gradient of eq. (5) in the backward (choice D1)."""
    drawn = h.gather(-1, index.unsqueeze(-1)).squeeze(-1)
    return 1 + (drawn - drawn.detach())


def of_others(h: Tensor, index: Tensor) -> Tensor:
    """Zero [...], with the gradient of the sum of h over the operations that were not drawn: GDAS adds it to an edge's output."""
    others = h.sum(-1) - h.gather(-1, index.unsqueeze(-1)).squeeze(-1)
    return others - others.detach()
