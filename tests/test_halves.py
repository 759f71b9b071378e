"""Which images each part of the method sees: w the weight half, alpha the alpha half, a score the alpha half, none the test set.

Every image is of one grey of its own, which crop and flip leave, so that a network's input tells which images it holds.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from eoinas import code, params, settings, weights
from eoinas.data import cityscapes, cityscapes_check, crops, imageset
from eoinas.data import images as image_data
from eoinas.models.classifier import Classifier
from eoinas.models.supernet import SupernetCIFAR
from eoinas.train import candidates, search, search_cifar, search_seg
from eoinas.train.predict import predict
from tests import test_search as small

CPU = torch.device("cpu")
TRAIN, FIRST_TEST = 18, 200  # greys from here on are test images
CELL = small.SPACE.random(torch.Generator().manual_seed(0))


def greys() -> imageset.ImageSet:
    """Training images of the greys 0 to 17, test images of 200 to 205, in three classes."""
    splits = []
    for first, count in ((0, TRAIN), (FIRST_TEST, 6)):
        grey = np.arange(first, first + count, dtype=np.uint8)
        splits.append((np.broadcast_to(grey[:, None, None, None], (count, 3, 8, 8)).copy(), np.arange(count) % 3))
    return imageset.build(*splits, ("ant", "bee", "cat"), "here")


def halves() -> image_data.Images:
    return image_data.halves(greys(), small.SPLIT, CPU)


def shown(inputs: Tensor, data: imageset.ImageSet) -> list[int]:
    """The greys of a batch."""
    centre = inputs[:, 0, 4, 4] * data.std[0] + data.mean[0]
    return (255 * centre).round().int().tolist()


@pytest.fixture
def steps(monkeypatch) -> Callable[[], str]:
    """Tells which step of Algorithm 1 is being done."""
    now = ["none"]

    def step(name: str, original: Callable, *arguments: object) -> object:
        now[0] = name
        return original(*arguments)

    for name in ("weight_step", "alpha_step"):
        monkeypatch.setattr(search, name, partial(step, name, getattr(search, name)))
    return lambda: now[0]


Seen = dict[str, list[int]]


@pytest.fixture
def seen(monkeypatch, steps) -> Seen:
    """The greys that went into a supernet in each kind of step, and into a derived network in training and evaluation."""
    found: Seen = {}
    data = greys()
    for kind in (SupernetCIFAR, Classifier):

        def forward(self: torch.nn.Module, inputs: Tensor, *rest: object, kind=kind, original=kind.forward) -> object:
            mode = "training" if self.training else "evaluation"
            name = mode if kind is Classifier or not self.training else steps()
            found.setdefault(name, []).extend(shown(inputs, data))
            return original(self, inputs, *rest)

        monkeypatch.setattr(kind, "forward", forward)
    return found


def searched(images: image_data.Images) -> torch.nn.Module:
    values = small.settings(epochs=3, warmup=1)
    return search_cifar.run(images, values, 0, "small", small.NoCheckpoint())[0]


def test_the_greys_tell_the_images() -> None:
    images = halves()
    assert {*images.train.tolist()} | {*images.scored.tolist()} == {*range(TRAIN)}
    assert not {*images.train.tolist()} & {*images.scored.tolist()}
    assert images.images[:, 0, 0, 0].tolist() == [*range(TRAIN)]  # the test images are not even there


def test_w_is_trained_on_its_half_and_alpha_on_the_other(seen: Seen, monkeypatch) -> None:
    images, labels = halves(), []
    judge = search_cifar.loss_and_accuracy
    monkeypatch.setattr(search_cifar, "loss_and_accuracy", lambda logits, y: labels.extend(y.tolist()) or judge(logits, y))
    searched(images)
    assert seen.keys() == {"weight_step", "alpha_step"}
    assert sorted(seen["weight_step"]) == sorted(3 * images.train.tolist())  # three epochs
    assert sorted(seen["alpha_step"]) == sorted(2 * images.scored.tolist())  # the first is warm-up
    assert sorted(labels) == sorted(grey % 3 for greys in seen.values() for grey in greys)


def test_the_score_of_a_search_reads_the_alpha_half_alone(seen: Seen, tmp_path) -> None:
    images, values = halves(), small.settings()
    weights.save(search_cifar.build(values, 3), tmp_path / "w")
    search_cifar.score(CELL, tmp_path / "w", images, values, 4, 0)
    assert seen.keys() == {"evaluation"}
    assert sorted(seen["evaluation"]) == images.scored.tolist()


def retrained(images: image_data.Images) -> None:
    how = settings.resolve(params.read(), "demo")["derive/random"].derive
    how = how.model_copy(update={"short": how.short.model_copy(update={"C": 2, "batch_size": 4, "epoch_images": 0, "epochs": 2})})
    candidates.score_by_retraining(CELL, images, how, 0, "short", "small", small.NoCheckpoint())


def test_a_short_training_is_on_the_weight_half_and_scored_on_the_other(seen: Seen) -> None:
    images = halves()
    retrained(images)
    assert {*seen["training"]} == {*images.train.tolist()}
    assert {*seen["evaluation"]} == {*images.scored.tolist()}
    assert seen.keys() == {"training", "evaluation"}


def test_the_standard_split_trains_on_all_training_images_and_none_else(seen: Seen) -> None:
    retrained(image_data.standard_split(greys(), CPU))
    assert {*seen["training"]} == {*range(TRAIN)}
    assert {*seen["evaluation"]} == {*range(FIRST_TEST, FIRST_TEST + 6)}


@pytest.mark.parametrize("script", ["search", "derive", "random_cells", "select_genotype"])
def test_no_stage_of_the_search_asks_for_the_test_images(script: str) -> None:
    assert "standard_split" not in (code.ROOT / f"stages/{script}.py").read_text()


# Street scenes


@pytest.fixture(scope="module")
def scenes(tmp_path_factory) -> cityscapes.Scenes:
    folder = tmp_path_factory.mktemp("scenes")
    resolved = settings.resolve(params.read(), "demo")["cityscapes_data"]
    small_ones = {"drawn_train": 7, "drawn_val": 5, "drawn_width": 130, "drawn_height": 67}
    drawn = resolved.model_copy(update=small_ones)
    cityscapes_check.prepare(drawn, folder / "drawn")
    return cityscapes.load(folder / "drawn", drawn)


def test_each_half_of_the_scenes_goes_where_it_should(scenes, steps, monkeypatch) -> None:
    found: dict[str, set[str]] = {}
    sample = crops.Crops.sample

    def noted(self: crops.Crops, index: int, seed: int) -> tuple[Tensor, Tensor]:
        found.setdefault(steps(), set()).add(self._pairs[index].image)
        return sample(self, index, seed)

    monkeypatch.setattr(crops.Crops, "sample", noted)
    values = settings.resolve(params.read(), "demo")["seg_search"]
    few = {"C": 2, "cells": "NR", "batch_size": 2, "epochs": 4, "warmup": 1, "prune_every": 1, "halves_seed": 3}
    crop = values.crops.model_copy(update={"crop": 32})
    search_seg.run(scenes, values.model_copy(update={**few, "crops": crop}), CPU, 0, "small", small.NoCheckpoint())
    first, second = ({pair.image for pair in half} for half in crops.halves(scenes.split("train"), 3))
    assert (len(first), len(second)) == (4, 3)
    assert found == {"weight_step": first, "alpha_step": second}


# The order of the images (choice A12)


def dark_and_bright(order: str) -> imageset.ImageSet:
    """Two classes that differ in brightness alone, 24 images of each in training, class by class or mixed."""
    source = np.random.default_rng(0)
    splits = []
    for count in (48, 4):
        labels = np.arange(count) * 2 // count
        images = np.where(labels, 150, 90)[:, None, None, None] + source.integers(-20, 20, size=(count, 3, 8, 8))
        places = source.permutation(count) if order == "mixed" else slice(None)
        splits.append((images.astype(np.uint8)[places], labels[places]))
    return imageset.build(*splits, ("dark", "bright"), "here")


def batches(images: image_data.Images, count: int, size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Random batches of the weight half."""
    source = torch.Generator().manual_seed(0)
    for _ in range(count):
        chosen = images.train[torch.randperm(len(images.train), generator=source)[:size]]
        yield images.images[chosen].float() / 64 - 2, images.labels[chosen]


BATCH = 8


@pytest.fixture(scope="module")
def taught(tmp_path_factory) -> Path:
    """The weights of a supernet that tells dark from bright along the path of ``CELL``."""
    torch.manual_seed(0)
    images, values = image_data.halves(dark_and_bright("mixed"), small.SPLIT, CPU), small.settings()
    network = search_cifar.build(values, 2)
    optimizer = torch.optim.SGD(network.parameters(), 0.2, 0.9)
    for inputs, targets in batches(images, 25, 16):
        optimizer.zero_grad()
        search_cifar.loss_and_accuracy(network(inputs, network.space.path(CELL)), targets)[0].backward()
        optimizer.step()
    path = tmp_path_factory.mktemp("taught") / "supernet.safetensors"
    weights.save(network, path)
    return path


def test_the_score_does_not_depend_on_where_the_classes_lie(taught: Path) -> None:
    values, found = small.settings(), {}
    for order in ("mixed", "class by class"):
        images = image_data.halves(dark_and_bright(order), small.SPLIT, CPU)
        found[order] = [search_cifar.score(CELL, taught, images, values, BATCH, seed) for seed in (0, 0, 1, 2)]
    network = search_cifar.build(values, 2)
    weights.load(network, taught)
    predictions, _ = predict(lambda inputs: network(inputs, network.space.path(CELL)), network, images, BATCH)
    in_order = (predictions == images.labels[images.scored]).double().mean().item()
    assert in_order < 0.7  # a batch of one class is normalised to what tells it from none
    assert min(found["mixed"] + found["class by class"]) > 0.9
    assert all(scores[0] == scores[1] for scores in found.values())  # the same seed, the same score


def test_the_order_of_a_score_follows_its_seed(seen: Seen, tmp_path) -> None:
    images, values = halves(), small.settings()
    weights.save(search_cifar.build(values, 3), tmp_path / "w")
    orders = []
    for seed in (0, 0, 1):
        search_cifar.score(CELL, tmp_path / "w", images, values, 4, seed)
        orders.append(seen.pop("evaluation"))
    assert orders[0] == orders[1] != orders[2]
    assert orders[0] != sorted(orders[0])
