"""Decoded scenes: the samples are the same to the bit, and a file of the cache that is not right is not used."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from eoinas import formats
from eoinas.data import cityscapes, cityscapes_check, crops, scene_cache
from eoinas.data.cityscapes_labels import CLASSES, TO_LABEL
from eoinas.errors import InputError

WIDTH, HEIGHT = 99, 61
PAIR = cityscapes.Pair("train", "a/image.png", "a/label.png", WIDTH, HEIGHT, 0, 0)


@pytest.fixture
def root(tmp_path) -> Path:
    """One scene of noise."""
    source = np.random.default_rng(0)
    (tmp_path / "a").mkdir()
    Image.fromarray(source.integers(256, size=(HEIGHT, WIDTH, 3), dtype=np.uint8)).save(tmp_path / PAIR.image)
    Image.fromarray(TO_LABEL[source.integers(len(CLASSES), size=(HEIGHT, WIDTH))]).save(tmp_path / PAIR.label)
    return tmp_path


def samples(root: Path, cache: Path | None, short_side: int = 0, count: int = 30) -> list[tuple[torch.Tensor, torch.Tensor]]:
    settings = crops.CropParams(short_side=short_side, scale_min=0.4, scale_max=2.0, crop=40)
    data = crops.Crops(root, [PAIR], settings, cache)
    return [data.sample(0, seed) for seed in range(count)]


def cached(cache: Path) -> Path:
    return cache / "a/image.png.npy"


@pytest.mark.parametrize("short_side", [0, 45, 130])
def test_samples_are_the_same_to_the_bit(root, tmp_path, short_side) -> None:
    expected = samples(root, None, short_side)
    for _ in range(2):  # written, read
        found = samples(root, tmp_path / "cache", short_side)
        assert all(torch.equal(a, b) for one, other in zip(found, expected, strict=True) for a, b in zip(one, other, strict=True))


def test_a_scene_is_decoded_once(root, tmp_path) -> None:
    first = samples(root, tmp_path / "cache", count=1)
    (root / PAIR.image).unlink()
    (root / PAIR.label).unlink()
    assert torch.equal(samples(root, tmp_path / "cache", count=1)[0][0], first[0][0])
    assert cached(tmp_path / "cache").stat().st_size - scene_cache.size([PAIR]) == 128  # numpy's head


@pytest.mark.parametrize("how", ["cut off", "empty", "another size", "another type", "no array"])
def test_a_file_that_is_not_right_is_written_anew(root, tmp_path, how) -> None:
    expected, path = samples(root, tmp_path / "cache", count=3), cached(tmp_path / "cache")
    whole = path.read_bytes()
    if how.startswith("another"):
        shape, kind = ((HEIGHT, WIDTH + 1, 4), np.uint8) if how == "another size" else ((HEIGHT, WIDTH, 4), np.int8)
        formats.write_array(path, np.zeros(shape, kind))
    else:
        path.write_bytes({"cut off": whole[:-1], "empty": b"", "no array": b"x" * len(whole)}[how])
    found = samples(root, tmp_path / "cache", count=3)
    assert all(torch.equal(one[0], other[0]) for one, other in zip(found, expected, strict=True))
    assert path.read_bytes() == whole


def test_a_class_that_is_none_is_refused(root, tmp_path) -> None:
    samples(root, tmp_path / "cache", count=1)
    path = cached(tmp_path / "cache")
    pixels = np.load(path)
    pixels[..., 3] = 77
    formats.write_array(path, pixels)
    with pytest.raises(InputError, match=r"image.png.npy: holds a class that is none.*delete the file"):
        samples(root, tmp_path / "cache", count=1)


def test_its_size_is_told_and_a_small_disk_refused(tmp_path, capsys, monkeypatch) -> None:
    block = {"source": "drawn", "raw": "-", "decode_all": False, "drawn_train": 6, "drawn_val": 6, "drawn_seed": 0}
    cache = tmp_path / "cache"
    settings = cityscapes.CityscapesDataParams(**block, drawn_width=128, drawn_height=64, cache=str(cache))
    cityscapes_check.prepare(settings, tmp_path / "prepared")
    assert f"{cache}: 192 KiB for 6 decoded scenes" in capsys.readouterr().out
    monkeypatch.setattr(cityscapes_check.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with pytest.raises(InputError, match=r"cache: 192 KiB for 6 decoded scenes, 1000 bytes free; set cityscapes_data.cache"):
        cityscapes_check.prepare(settings, tmp_path / "other")
    assert not (tmp_path / "other").exists()
