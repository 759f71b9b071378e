"""What a stage needs of a GPU's memory."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from eoinas import memory, params, settings


def test_what_a_graph_keeps_is_counted_once_and_without_weights() -> None:
    """A linear layer keeps its input, ReLU its output, which is the next layer's input."""
    with torch.device("meta"):
        network = nn.Sequential(nn.Linear(10, 20), nn.ReLU(), nn.Linear(20, 5))
        assert memory.saved(network, lambda: network(torch.zeros(8, 10))) == 4 * (8 * 10 + 8 * 20)


def test_more_images_need_more_and_parts_and_halves_less() -> None:
    with torch.device("meta"):
        network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())

        def needs(**changes: object) -> float:
            values = {"batch_size": 64, "accumulate": 1, "precision": "fp32", **changes}
            return memory._trained(network, SimpleNamespace(**values), 16)

        weights = memory._gib(network, 0)
        assert weights == 4 * 4 * (4 * 3 * 9 + 4) / 2**30
        assert needs(batch_size=128) - weights == 2 * (needs() - weights)
        assert needs(accumulate=4) == needs(batch_size=16)
        assert needs(precision="bf16") - weights == (needs() - weights) / 2


@pytest.mark.slow
def test_every_stage_that_trains_is_counted() -> None:
    found = dict(memory.needed(settings.resolve(params.read(), "demo")))
    assert set(found) == {"search", "retrain", "imagenet", "seg_search", "seg_pretrain", "seg_train"}
    assert all(0.001 < gib < 0.2 for gib in found.values())
