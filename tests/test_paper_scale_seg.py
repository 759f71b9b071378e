"""A step of each segmentation network at the paper's full size, with batches of two."""

import pytest
import torch
import yaml

from eoinas import params, seeds
from eoinas.data import cityscapes, cityscapes_check
from eoinas.metrics.complexity import parameters
from eoinas.models.segmentation import SegNetworkParams
from eoinas.ranks import ALONE
from eoinas.settings import resolve
from eoinas.train import search_seg, segment
from tests.test_search import PAPER, NoCheckpoint
from tests.test_segmentation import CELL, COUNTS

pytestmark = pytest.mark.slow
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def scenes(tmp_path_factory) -> cityscapes.Scenes:
    """Drawn at the size of Cityscapes."""
    folder = tmp_path_factory.mktemp("scenes") / "drawn"
    block = {**PAPER["cityscapes_data"], "source": "drawn", "decode_all": False, "drawn_train": 6, "drawn_val": 6}
    settings = cityscapes.CityscapesDataParams(**{**block, "drawn_width": 2048, "drawn_height": 1024})
    cityscapes_check.prepare(settings, folder)
    meta = yaml.safe_load((folder / "meta.json").read_text())
    return cityscapes.Scenes(folder, tuple(cityscapes.read_manifest(folder / "manifest.csv", meta["listing_sha256"])), meta)


def copy(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in network.named_parameters()}


def test_steps_of_the_search(scenes) -> None:
    short = {"epochs": 2, "warmup": 1, "prune_every": 2, "halves_seed": 1}  # with a prune of seven
    settings = resolve(params.read(), "paper")["seg_search"].model_copy(update=short)
    assert (settings.C, settings.cells, settings.crops.crop, settings.batch_size) == (40, "NNNRNNNRNN", 320, 2)
    scenes = scenes._replace(pairs=scenes.pairs[:4])  # a step an epoch of two pictures a half
    torch.manual_seed(seeds.seed_of(settings.seed, "init"))
    before = copy(search_seg.build(settings))
    network, result = search_seg.run(scenes, settings, CPU, 0, "paper size", NoCheckpoint())
    assert network.classifier.weight.shape == (19, 640, 1, 1)
    moved = {name for name, value in copy(network).items() if not torch.equal(value, before[name])}
    assert {"stem.convs.0.0.weight", "aspp.project.0.weight", "classifier.weight"} <= moved
    assert len(moved) < len(before)  # two paths do not draw every operation
    assert all(value.isfinite().all() for value in network.parameters())
    assert result.log.rows[1]["valid_loss"] > 0
    assert abs(result.trace["alpha"][0]).max() > 0
    assert result.trace["pruned"].shape == (1, *network.space.shape[:2])


def test_a_step_of_the_training(scenes) -> None:
    settings = segment.SegTrainParams(**{**PAPER["seg_train"], "iterations": 1, "batch_size": 2})
    size = SegNetworkParams(**PAPER["seg_network"])
    assert (settings.crops.crop, settings.learning_rate, size.C) == (769, 0.007, 48)
    torch.manual_seed(seeds.seed_of(settings.seed, "size", "init"))
    before = copy(segment.SegmentationNetwork(CELL, size, 19))
    states = NoCheckpoint()
    network, log = segment.train(CELL, scenes, size, settings, None, CPU, ALONE, "size", states, stream="size", workers=0)
    assert parameters(network) == COUNTS["tableIV_3R3R2"]
    assert [name for name, value in copy(network).items() if torch.equal(value, before[name])] == []
    assert all(value.isfinite().all() for value in network.parameters())
    assert 0 < log.rows[0]["train_loss"] < 10
