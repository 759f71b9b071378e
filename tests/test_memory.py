"""What a stage needs of a GPU's memory."""

import torch
from torch import nn

from eoinas import memory, params, settings


def test_what_a_graph_keeps_is_counted_once_and_without_weights() -> None:
    """A linear layer keeps its input, ReLU its output, which is the next layer's input."""
    with torch.device("meta"):
        network = nn.Sequential(nn.Linear(10, 20), nn.ReLU(), nn.Linear(20, 5))
        assert memory.saved(network, lambda: network(torch.zeros(8, 10))) == 4 * (8 * 10 + 8 * 20)


def test_more_images_need_more_and_parts_and_halves_less() -> None:
    """At scale demo; a search keeps no more than all of its operations would."""
    values = params.read()
    found = dict(memory.needed(settings.resolve(values, "demo")))
    assert set(found) == {"search", "retrain", "imagenet", "seg_search", "seg_pretrain", "seg_train"}
    values["demo"]["retrain"] |= {"batch_size": 64, "accumulate": 4}
    values["demo"]["imagenet"] |= {"precision": "bf16"}
    values["demo"]["seg_train"] |= {"batch_size": 8}
    other = dict(memory.needed(settings.resolve(values, "demo")))
    assert other["retrain"] < found["retrain"]
    assert found["imagenet"] / 2 < other["imagenet"] < found["imagenet"]
    assert 1.5 * found["seg_train"] < other["seg_train"] < 2 * found["seg_train"]
    assert other["search"] == found["search"]
