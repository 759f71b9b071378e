"""The operation importance indicator (OII), Sec. III-B: eq. (8), (9) and (10).

Shapes: ``...`` cells and edges (2, 14), O operations (8). ``alive`` marks the operations that have not been pruned.
"""

from typing import Literal

import torch
from torch import Tensor


def accuracy_parameter(accuracy: Tensor, epochs: Tensor, alive: Tensor, undrawn: Literal["mean", "zero"]) -> Tensor:
    """C of eq. (8) [..., O]: validation accuracy A over training epochs E. Either may be 1, which takes it out (controls).

    An operation that was never drawn has neither; it takes the mean C of the live operations of its edge, or 0 (choice D8).
    """
    ratio = accuracy / epochs  # Eq. (8)
    known = torch.isfinite(ratio)
    if undrawn == "zero":
        return ratio.masked_fill(~known, 0.0)
    counted = alive & known
    mean = ratio.masked_fill(~counted, 0.0).sum(-1, keepdim=True) / counted.sum(-1, keepdim=True).clamp_min(1)
    return torch.where(known, ratio, mean)


def accuracy_weights(parameter: Tensor, alive: Tensor, over: Literal["live", "all"]) -> Tensor:
    """S of eq. (9) [..., O]: softmax of C over the live operations (choice A2; option: the dead as well)."""
    if over == "live":
        parameter = parameter.masked_fill(~alive, -torch.inf)
    return torch.softmax(parameter, -1)  # Eq. (9)


def indicator(accuracy_weight: Tensor, architecture_weight: Tensor, weight: float) -> Tensor:
    """I of eq. (10) [..., O]: S + lambda * beta, with ``weight`` the paper's lambda."""
    return accuracy_weight + weight * architecture_weight  # Eq. (10)


def permuted(accuracy_weight: Tensor, alive: Tensor, keys: Tensor) -> Tensor:
    """S [..., O], a control: its values dealt out anew among the live operations of each edge, by distinct ``keys`` [..., O]."""
    by_key = keys.masked_fill(~alive, torch.inf).argsort(-1)  # live operations in the order of their keys, then the dead
    by_index = torch.argsort((~alive).int(), dim=-1, stable=True)  # live operations in their own order, then the dead
    return torch.empty_like(accuracy_weight).scatter(-1, by_key, accuracy_weight.gather(-1, by_index))
