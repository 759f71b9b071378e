import json

import numpy as np
import pytest

from eoinas.data import imageset
from eoinas.errors import InputError


def small(seed: int = 0) -> imageset.ImageSet:
    generator = np.random.default_rng(seed)
    splits = [(generator.integers(256, size=(n, 3, 8, 8), dtype=np.uint8), np.arange(n, dtype=np.int64) % 3) for n in (12, 6)]
    return imageset.build(*splits, ("ant", "bee", "cat"), "here")


@pytest.fixture
def saved(tmp_path):
    folder = tmp_path / "set"
    imageset.save(folder, small(), "tests")
    return folder


def test_statistics_are_those_of_numpy():
    images = np.random.default_rng(1).integers(256, size=(2500, 3, 4, 4), dtype=np.uint8)
    mean, std = imageset.statistics(images)
    pixels = images.astype(np.float64) / 255
    assert mean == pytest.approx(pixels.mean((0, 2, 3)), abs=5.1e-7)
    assert std == pytest.approx(pixels.std((0, 2, 3)), abs=5.1e-7)
    assert imageset.statistics(images[::-1]) == (mean, std)


def test_constant_channel_cannot_be_normalised():
    images = np.zeros((2, 3, 4, 4), np.uint8)
    with pytest.raises(InputError, match=r"here: .*constant"):
        imageset.build((images, np.zeros(2, np.int64)), (images, np.zeros(2, np.int64)), ("a",), "here")


@pytest.mark.parametrize(("train", "test"), [(1, 5), (0, 5), (2, 0)])
def test_too_few_images_are_refused(train, test):
    splits = [(np.arange(n * 192, dtype=np.uint8).reshape(n, 3, 8, 8), np.zeros(n, np.int64)) for n in (train, test)]
    with pytest.raises(
        InputError, match=rf"^here: {train} training and {test} test images; training needs at least 2 and scoring 1"
    ):
        imageset.build(*splits, ("a",), "here")


def test_round_trip(saved):
    written, found = small(), imageset.load(saved)
    for split in ("train", "test"):
        for kind in ("images", "labels"):
            ours, theirs = (getattr(each, f"{split}_{kind}") for each in (written, found))
            assert ours.dtype == theirs.dtype
            assert np.array_equal(ours, theirs)
    assert (found.classes, found.mean, found.std) == (written.classes, written.mean, written.std)
    meta = json.loads((saved / "meta.json").read_text())
    assert (meta["source"], meta["train_count"], meta["test_count"], meta["image_size"]) == ("tests", 12, 6, 8)


def test_equal_sets_are_equal_bytes_and_replace_the_old_folder(saved, tmp_path):
    before = {path.name: path.read_bytes() for path in saved.iterdir()}
    (saved / "stray").write_text("old")
    imageset.save(saved, small(), "tests")
    assert {path.name: path.read_bytes() for path in saved.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


@pytest.mark.parametrize(
    ("name", "spoil", "message"),
    [
        ("train_images.npy", lambda path: path.unlink(), "no such file"),
        ("train_images.npy", lambda path: path.write_bytes(b""), "not a readable array"),
        ("train_images.npy", lambda path: path.write_bytes(path.read_bytes()[:-1]), "not a readable array"),
        ("test_images.npy", lambda path: np.save(path, np.zeros((5, 3, 8, 8), np.uint8)), r"says uint8 \[6, 3, 8, 8\]"),
        ("test_images.npy", lambda path: np.save(path, np.zeros((6, 3, 8, 8), np.int8)), "the file has int8"),
        ("test_labels.npy", lambda path: np.save(path, np.zeros(6, np.int32)), "the file has int32"),
        ("test_labels.npy", lambda path: np.save(path, np.full(6, 3)), r"outside 0\.\.2"),
        ("train_labels.npy", lambda path: np.save(path, np.full(12, -1)), r"outside 0\.\.2"),
        ("train_labels.npy", lambda path: np.save(path, np.array([{}] * 12), allow_pickle=True), "not a readable array"),
        ("meta.json", lambda path: path.unlink(), "no such file"),
        ("meta.json", lambda path: path.write_text("{"), "not a JSON file"),
        ("meta.json", lambda path: path.write_text("[]"), "the whole"),
        ("meta.json", lambda path: path.write_text(path.read_text().replace("12", "-12")), "train_count"),
        ("meta.json", lambda path: path.write_text(path.read_text().replace('"mean"', '"means"')), "mean"),
    ],
)
def test_damage_names_the_file(saved, name, spoil, message):
    spoil(saved / name)
    with pytest.raises(InputError, match=message) as caught:
        imageset.load(saved)
    assert str(saved / name) in str(caught.value)
    assert "\n" not in str(caught.value)
