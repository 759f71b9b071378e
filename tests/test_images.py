import numpy as np
import pytest
import torch

from eoinas.data import images, imageset
from eoinas.errors import InputError

CPU = torch.device("cpu")


def data(labels: list[int]) -> imageset.ImageSet:
    """Random images of these classes; two test images."""
    source = np.random.default_rng(0)
    splits = [(source.integers(256, size=(len(each), 3, 8, 8), dtype=np.uint8), np.array(each)) for each in (labels, [0, 1])]
    return imageset.build(*splits, ("ant", "bee", "cat"), "here")


def split(halves: str) -> images.SplitParams:
    return images.SplitParams(halves=halves, seed=0)


def test_standard_split_trains_on_the_training_images_and_scores_the_test_images():
    found = images.standard_split(data([0, 1, 2]), CPU)
    assert (found.train.tolist(), found.scored.tolist()) == ([0, 1, 2], [3, 4])
    assert found.labels.tolist() == [0, 1, 2, 0, 1]


@pytest.mark.parametrize("halves", ["balanced", "file_order"])
def test_a_half_has_at_least_two_images(halves):
    found = images.halves(data([0, 1, 0, 1]), split(halves), CPU)
    assert (len(found.train), len(found.scored), len(found.images)) == (2, 2, 4)
    with pytest.raises(InputError, match=r"at least 4 training images, 2 in each half, and its data set has 3"):
        images.halves(data([0, 1, 0]), split(halves), CPU)


@pytest.mark.parametrize("labels", [[0, 0, 1, 1, 2, 2], [2, 2, 0, 0, 1], [0, 0, 0, 1]])
def test_file_order_is_refused_where_images_lie_class_by_class(labels):
    with pytest.raises(InputError, match=r"^params.yaml: split.halves: file_order .*; set it to balanced$"):
        images.halves(data(labels), split("file_order"), CPU)
    balanced = images.halves(data(labels), split("balanced"), CPU)
    assert {0} <= set(balanced.labels[balanced.train].tolist()) & set(balanced.labels[balanced.scored].tolist())


@pytest.mark.parametrize("labels", [[0, 0, 0, 0], [0, 1, 0, 1], [0, 0, 1, 1, 0]])
def test_file_order_is_taken_where_it_gives_both_halves_what_there_is(labels):
    assert images.halves(data(labels), split("file_order"), CPU).train.tolist() == list(range((len(labels) + 1) // 2))


def test_mixed_changes_the_order_of_the_scored_images_alone():
    found = images.halves(data([0] * 40 + [1] * 40), split("balanced"), CPU)
    seeded = [images.mixed(found, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    assert torch.equal(seeded[0].scored, seeded[1].scored)
    assert not torch.equal(seeded[0].scored, seeded[2].scored)
    for each in seeded:
        assert torch.equal(each.scored.sort().values, found.scored)
        assert torch.equal(each.train, found.train)
        assert set(each.labels[each.scored[:20]].tolist()) == {0, 1}
