"""Algorithm 1 keeps what is better and drops what is worse, without a network: the outputs are functions of the path alone."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from eoinas.models.path import Path
from eoinas.nas import derive
from eoinas.spaces.darts import EDGES
from eoinas.train import search
from tests import test_search as small

# (cell, edge): the operation that differs there.
PLANTED = {(0, 3): 2, (0, 9): 6, (1, 0): 0, (1, 13): 5}
# Were alpha faster or the warm-up shorter, A / E would count against what is drawn often, and the better ones would die.
NUMBERS = {"epochs": 22, "warmup": 8, "prune_every": 2, "alpha_learning_rate": 0.02}


class Nothing:
    """Batches of nothing."""

    steps = 16

    def get(self, _epoch: int, _step: int) -> tuple[Tensor, Tensor]:
        return torch.zeros(1), torch.zeros(1)


class Stub(nn.Module):
    """The sum over the planted edges of 1 for the planted operation or -0.2 for another, times its weight."""

    def __init__(self) -> None:
        super().__init__()
        self.nothing = nn.Parameter(torch.zeros(1))

    def forward(self, _inputs: Tensor, path: Path) -> Tensor:
        total = 0 * self.nothing
        for (cell, edge), planted in PLANTED.items():
            for operation, scale in path[cell].scaled(1)[edge]:
                total = total + (1.0 if operation == planted else -0.2) * (1 if scale is None else scale.vector)
        return total


def searched(sign: int, **changes: object) -> dict[str, np.ndarray]:
    """The trace of a search in which the planted operations are better (1) or worse (-1)."""

    def judge(outputs: Tensor, _targets: Tensor) -> tuple[Tensor, Tensor]:
        good = sign * outputs.sum()
        return 1 - good, (good.detach() / len(PLANTED) + 1) / 2

    network = Stub()
    task = search.Task(network, network, Nothing(), Nothing(), judge)
    return search.search(task, small.SPACE, small.settings(**{**NUMBERS, **changes}), 0, "stub", small.NoCheckpoint()).trace


@pytest.mark.parametrize(
    "reading",
    [{"indicator": "beta"}, {}, {"epoch_unit": "steps"}, {"indicator": "accuracy"}, {"forward": "mixture"}],
    ids=["beta", "oii", "E in steps", "A alone", "mixture"],
)
def test_a_better_operation_survives_and_its_edge_is_chosen(reading: dict) -> None:
    """A as a fraction: beta learns here, and S leaves it the decision."""
    trace = searched(1, **{"accuracy_unit": "fraction", **reading})
    survivors = trace["alive_final"].argmax(-1)
    assert {place: survivors[place] for place in PLANTED} == PLANTED
    before_last = torch.from_numpy(trace["I"][-1])
    for (cell, edge), operation in PLANTED.items():
        best = derive.best_operations(before_last[cell], torch.from_numpy(trace["alive_final"][cell]), small.SPACE.zero)
        assert best.operation[edge] == operation
        assert edge in derive.best_edges(best, EDGES, 2)


def test_with_a_in_percent_it_survives_too() -> None:
    """Its edge need not be chosen: S decides the size of I then, and is largest where little was drawn."""
    survivors = searched(1, accuracy_unit="percent")["alive_final"].argmax(-1)
    assert {place: survivors[place] for place in PLANTED} == PLANTED


@pytest.mark.parametrize("indicator", ["beta", "oii"])
def test_a_worse_operation_dies_early(indicator: str) -> None:
    trace = searched(-1, indicator=indicator, epochs=14)  # three of seven prunes
    assert not any(trace["alive_final"][(*place, operation)] for place, operation in PLANTED.items())
    assert (trace["alive_final"].sum(-1) == 5).all()
