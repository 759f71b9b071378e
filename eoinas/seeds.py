"""Every random draw: a generator that is seeded with a seed, its purpose, and the epoch or step."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def seed_of(seed: int, *purpose: str | int) -> int:
    """A 63-bit seed that depends on nothing but its arguments, e.g. ``seed_of(0, "order", epoch)``."""
    text = "/".join(str(part) for part in (seed, *purpose))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def generator(seed: int, *purpose: str | int) -> torch.Generator:
    """A fresh CPU generator for one purpose; CPU, so that every device sees the same draws."""
    import torch

    return torch.Generator().manual_seed(seed_of(seed, *purpose))
