"""The blocks of params.yaml for street scenes."""

import pytest

from eoinas.train import search_seg
from tests.test_params import complaint, in_a_copy, resolved, write

__all__ = ["in_a_copy"]
SCALES = ("demo", "study", "gpu", "paper")
SEARCH_ALONE = {"C", "cells", "aspp_rates", "pool_bn", "batch_size", "crops", "halves_seed", "seed", "variant"}


def search(scale: str) -> search_seg.SegSearchParams:
    return resolved(scale)["seg_search"]


def test_search_numbers_of_the_paper() -> None:
    expected = {
        "C": 40,
        "cells": "NNNRNNNRNN",
        "aspp_rates": [6],
        "batch_size": 2,
        "crops": {"short_side": 512, "scale_min": 1.0, "scale_max": 1.0, "crop": 320},
        "epochs": 160,
        "warmup": 20,
        "prune_every": 20,
        "learning_rate": 0.025,
        "learning_rate_min": 0.001,
        "momentum": 0.9,
        "weight_decay": 3e-4,
        "alpha_init_sd": 0.0,
        "alpha_learning_rate": 3e-4,
        "alpha_betas": [0.5, 0.999],
        "alpha_weight_decay": 1e-3,
        "temperature": 5.0,
    }
    found = search("paper").model_dump()
    assert {name: found[name] for name in expected} == expected
    assert search("paper").prune_epochs == [40, 60, 80, 100, 120, 140, 160]


@pytest.mark.parametrize("scale", SCALES)
def test_the_method_is_that_of_the_search_on_images(scale: str) -> None:
    """Choice D37: nothing of Algorithm 1 differs between the tasks but budgets, the rates, and how fast the temperature falls."""
    images = resolved(scale)["search/eoinas/0-3"].search.model_dump()
    found = search(scale).model_dump()
    budget = {"cpu_threads", "epochs", "warmup", "prune_every", "learning_rate", "alpha_learning_rate", "temperature_decay"}
    shared = found.keys() & images.keys() - SEARCH_ALONE - budget
    assert len(shared) > 20
    assert {name: found[name] for name in shared} == {name: images[name] for name in shared}
    assert len(search(scale).prune_epochs) == 7


def test_training_numbers_of_the_paper() -> None:
    expected = {
        "crops": {"short_side": 0, "scale_min": 0.5, "scale_max": 2.0, "crop": 769},
        "iterations": 90_000,
        "batch_size": 4,
        "learning_rate": 0.007,
        "power": 0.9,
        "momentum": 0.9,
        "weight_decay": 5e-4,
        "loss": "cross_entropy",
    }
    found = resolved("paper")["seg_train"].train.model_dump()
    assert {name: found[name] for name in expected} == expected
    assert resolved("paper")["seg_train"].network.model_dump() == {
        "C": 48,
        "cells": "NNNRNNNRNN",
        "norm": "batch",
        "aspp_rates": [6, 12, 18],
        "width": 256,
        "low_width": 48,
    }


@pytest.mark.parametrize("scale", SCALES)
def test_crops_align_features_and_pixels(scale: str) -> None:
    assert resolved(scale)["seg_train"].train.crops.crop % 16 == 1


def test_the_demo_brings_its_own_scenes_and_the_paper_the_real_ones() -> None:
    sources = {scale: resolved(scale)["cityscapes_data"].source for scale in SCALES}
    assert sources == {"demo": "drawn", "study": "folder", "gpu": "folder", "paper": "folder"}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("seg_search.cells", "NNN", "demo.seg_search.cells: "),
        ("seg_search.batch_size", 1, "demo.seg_search.batch_size: "),
        ("seg_search.crops.crop", 16, "demo.seg_search.crops.crop: "),
        ("seg_search.warmup", 20, "demo.seg_search: warmup must be shorter than epochs"),
        ("seg_train.crops.scale_min", 3.0, "demo.seg_train.crops: scale_min must not be above scale_max"),
        ("seg_train.iterations", 0, "demo.seg_train.iterations: "),
        ("seg_train.loss", "focal", "demo.seg_train.loss: "),
        ("seg_train.ohem_threshold", 1.5, "demo.seg_train.ohem_threshold: "),
        ("seg_train.batch", 3, "demo.seg_train.batch: is not a known parameter"),
        ("seg_network.norm", "layer", "demo.seg_network.norm: "),
        ("seg_network.C", 7, "demo.seg_network.C: "),
        ("cityscapes_data.source", "kitti", "demo.cityscapes_data.source: "),
        ("cityscapes_data.drawn_val", 3, "demo.cityscapes_data.drawn_val: "),
    ],
)
def test_bad_values_are_named(key: str, value: object, message: str) -> None:
    write(f"demo.{key}", value)
    assert complaint().startswith(f"params.yaml: {message}")
