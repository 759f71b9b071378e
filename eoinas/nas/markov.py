"""The high-order Markov chain that remembers how the importance of an operation moved, Sec. III-C: eq. (11) and (12).

Shapes: M order of the chain (4), ``...`` cells, edges and operations (2, 14, 8). A state is (l, d), a row vector: the
probability to live and to die. Step i of the chain goes: the indicator I_i is known; Q_i follows from whether I rose or fell
since step i - 1; X_{i+1} follows from eq. (11), so that the decision after step i rests on the present indicator and its history.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Chain(NamedTuple):
    """The last M states and transition matrices, the nearest first."""

    X: Tensor  # [M, ..., 2]
    Q: Tensor  # [M, ..., 2, 2], rows (LL, LD) and (DL, DD)


def start(shape: tuple[int, ...], order: int) -> Chain:
    """X_0 = (0.5, 0.5) and Q_0 = 0.5 everywhere, standing in for the history that does not exist yet (choice A7)."""
    half = torch.full((), 0.5, dtype=torch.float64)
    return Chain(half.expand(order, *shape, 2).clone(), half.expand(order, *shape, 2, 2).clone())


def update_transition(Q: Tensor, change: Tensor, epsilon_1: float, epsilon_2: float, clamp: bool) -> Tensor:
    """Q_i [..., 2, 2] from Q_{i-1} and the sign of I_i - I_{i-1} [...] (choice A5).

    Where I rose: q_LL + e1, q_LD - e1, q_DL + e2, q_DD - e2; where it fell the opposite; where it is equal nothing. Rows are
    clamped to [0, 1] and go on summing to 1 (choice A4).
    """
    up = torch.tensor([[epsilon_1, -epsilon_1], [epsilon_2, -epsilon_2]], dtype=Q.dtype)
    Q = Q + torch.sign(change)[..., None, None] * up
    return Q.clamp(0, 1) if clamp else Q


def next_state(chain: Chain, sigma: list[float]) -> Tensor:
    """X_i of eq. (11) [..., 2]: the sum over m of sigma_m X_{i-m} Q_{i-m}, row vector times matrix (choice A8)."""
    moved = torch.einsum("m...s,m...st->m...t", chain.X, chain.Q)  # [M, ..., 2]
    return torch.einsum("m,m...t->...t", torch.tensor(sigma, dtype=moved.dtype), moved)  # Eq. (11)


def advance(chain: Chain, change: Tensor, sigma: list[float], epsilon_1: float, epsilon_2: float, clamp: bool) -> Chain:
    """One step of the chain; ``change`` [...] is I_i - I_{i-1}, and 0 in the first step, which has nothing to compare with."""
    Q = torch.cat([update_transition(chain.Q[0], change, epsilon_1, epsilon_2, clamp)[None], chain.Q[:-1]])
    X = next_state(Chain(chain.X, Q), sigma)
    return Chain(torch.cat([X[None], chain.X[:-1]]), Q)
