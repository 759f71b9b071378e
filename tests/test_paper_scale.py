"""Three steps of each network at the paper's size, with batches of eight."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from eoinas import params, seeds
from eoinas.data import imagenet as imagenet_data
from eoinas.data import imagenet_prepare
from eoinas.data import images as image_data
from eoinas.genotype import parse
from eoinas.metrics.complexity import parameters
from eoinas.ranks import ALONE
from eoinas.settings import resolve
from eoinas.train import classify, imagenet, search_cifar
from tests import test_search as small

pytestmark = pytest.mark.slow
CELL = json.loads(Path(__file__).with_name("oracle.json").read_text())["cells"]["eoinas_cifar"]["genotype"]
STEPS, BATCH = 3, 8


def copy(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in network.named_parameters()}


def test_three_steps_of_the_search() -> None:
    paper = {"batch_size": BATCH, "epoch_images": STEPS * BATCH, "epochs": 2, "warmup": 1, "prune_every": 2, "chain_step": 1}
    settings = resolve(params.read(), "paper")["derive/eoinas"].search.model_copy(update=paper)  # with a prune of seven
    assert (settings.C, settings.layers) == (16, 8)
    images = image_data.halves(small.data(size=32, train=2 * STEPS * BATCH), small.SPLIT, torch.device("cpu"))
    torch.manual_seed(seeds.seed_of(0, "init"))
    before = copy(search_cifar.build(settings, 3))
    network, result = search_cifar.run(images, settings, 0, "paper size", small.NoCheckpoint())
    assert parameters(network) == 1_930_618 - 7 * (4 * 64 + 1)  # three classes instead of ten
    moved = {name for name, value in copy(network).items() if not torch.equal(value, before[name])}
    assert {"stem.0.weight", "classifier.weight", "classifier.bias"} <= moved
    assert 0 < len(moved) < len(before)  # six paths do not draw every operation of every cell
    assert all(value.isfinite().all() for value in network.parameters())
    assert all(torch.tensor([row["train_loss"] for row in result.log.rows]).isfinite())
    assert result.log.rows[1]["valid_loss"] > 0
    assert abs(result.trace["alpha"][0]).max() > 0
    assert result.trace["pruned"].shape == (1, 2, 14)


@pytest.mark.parametrize("variant", ["gdas", "eoinas"])
def test_three_steps_of_the_search_on_nasbench201(variant: str) -> None:
    """GDAS's settings, where alpha learns from the first step, and the paper's."""
    paper = {"batch_size": BATCH, "epoch_images": STEPS * BATCH, "epochs": 2, "warmup": int(variant != "gdas"), "prune_every": 2}
    whole = resolve(params.read(), "paper")[f"bench/{variant}/0-15"].search
    assert (whole.C, whole.layers, whole.average, whole.epochs) == (16, 15, 1, 250 if variant == "gdas" else 160)
    settings = whole.model_copy(update=paper)
    images = image_data.halves(small.data(size=32, train=2 * STEPS * BATCH), small.SPLIT, torch.device("cpu"))
    network, result = search_cifar.run(images, settings, 0, "paper size", small.NoCheckpoint())
    assert len(network.skeleton.stages) * len(network.skeleton.stages[0]) == 15
    assert all(value.isfinite().all() for value in network.parameters())
    assert result.trace["alpha"].shape == (2 if variant == "gdas" else 1, 1, 6, 5)
    assert abs(result.trace["alpha"][-1]).max() > 0
    assert len(result.trace["prune_epochs"]) == int(variant == "eoinas")


def test_three_steps_of_the_retraining(monkeypatch) -> None:
    paper = {"batch_size": BATCH, "eval_batch_size": BATCH, "epochs": 2, "epoch_images": 2 * BATCH}
    settings = classify.RetrainParams(**{**small.PAPER["retrain"], **paper})
    assert (settings.C, settings.layers, settings.drop_path, settings.auxiliary_weight) == (36, 20, 0.3, 0.4)
    images = image_data.standard_split(small.data(size=32, train=2 * BATCH, test=BATCH), torch.device("cpu"))
    torch.manual_seed(seeds.seed_of(0, "init"))
    genotype = parse(CELL, "oracle.json")
    before = copy(classify.NetworkCIFAR(genotype, 36, 20, 3, 32))
    drops = []
    keep_masks = classify.keep_masks
    monkeypatch.setattr(classify, "keep_masks", lambda *args: drops.append(args[3]) or keep_masks(*args))
    result = classify.train(genotype, images, settings, 16, 0, "paper size", "paper size", small.NoCheckpoint())
    assert drops == [0, 0, 0.15, 0.15]
    still = [name for name, value in copy(result.network).items() if torch.equal(value, before[name])]
    assert still == []
    assert all(value.isfinite().all() for value in result.network.parameters())
    assert all(torch.tensor([row["train_loss"] for row in result.log.rows]).isfinite())
    assert result.predictions.shape == (BATCH,)


def test_a_step_of_imagenet(tmp_path) -> None:
    paper = small.PAPER["imagenet"]
    changes = {"batch_size": 2, "eval_batch_size": 2, "epochs": 1, "epoch_images": 2}
    settings = imagenet.ImagenetParams(**{**paper, **changes})
    assert (settings.C, settings.layers, settings.image_size) == (48, 14, 224)
    for name in ("train/n01/a.jpg", "train/n02/b.jpg", "val/n01/c.jpg", "val/n02/d.jpg"):
        path = tmp_path / "raw" / name
        path.parent.mkdir(parents=True)
        Image.effect_noise((500, 375), 60).save(path)
    block = {
        "source": "folder",
        "raw": str(tmp_path / "raw"),
        "classes": 2,
        "decode_all": True,
        "digits_train": 1,
        "digits_val": 1,
    }
    imagenet_prepare.prepare(tmp_path / "out", imagenet_data.ImagenetDataParams(**block))
    data = imagenet_data.read(tmp_path / "out", tmp_path / "raw")
    network = imagenet.build(parse(CELL, "oracle.json"), settings, 1000, "paper size")
    before = copy(network)
    log = imagenet.train(
        network,
        settings,
        data,
        ALONE,
        "paper size",
        small.NoCheckpoint(),
        settings.auxiliary_weight,
        stream="paper size",
        workers=0,
    )
    assert [name for name, value in copy(network).items() if torch.equal(value, before[name])] == []
    assert all(value.isfinite().all() for value in network.parameters())
    assert 7 < log.rows[0]["train_loss"] < 16  # ln 1000 = 6.9, and 0.4 of it once more
    assert log.rows[0]["wrong_top1"] <= 2
