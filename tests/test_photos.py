import random
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from eoinas.data.imagenet import Split
from eoinas.data.photos import Photos
from eoinas.errors import InputError

MEAN, STD = (torch.tensor(values).view(3, 1, 1) for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))


def picture(mode: str = "RGB", width: int = 90, height: int = 60) -> Image.Image:
    pixels = np.random.default_rng(0).integers(256, size=(height // 6, width // 6, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC).convert(mode)


def photos(folder: Path, training: bool, image: Image.Image | None = None, suffix: str = "png", size: int = 56) -> Photos:
    (image or picture()).save(folder / f"a.{suffix}")
    split = Split(np.array([f"a.{suffix}"]), np.array([3]), np.array([0]))
    return Photos(folder, split, size, training)


def test_a_sample_follows_from_its_seed_alone(tmp_path) -> None:
    source = photos(tmp_path, True)
    first, label = source.sample(0, 5)
    assert (first.shape, first.dtype, label.item(), label.dtype) == ((3, 56, 56), torch.float32, 3, torch.int64)
    states = random.getstate(), torch.get_rng_state()
    assert torch.equal(source.sample(0, 5)[0], first)
    assert (random.getstate(), torch.get_rng_state().tolist()) == (states[0], states[1].tolist())
    random.seed(1), torch.manual_seed(1), np.random.seed(1)  # noqa: NPY002
    assert torch.equal(source.sample(0, 5)[0], first)
    assert not torch.equal(source.sample(0, 6)[0], first)


def test_global_generators_are_put_back_after_an_error_too(tmp_path) -> None:
    source = photos(tmp_path, True)
    source._transform = lambda image: 1 / 0
    states = random.getstate(), torch.get_rng_state()
    with pytest.raises(ZeroDivisionError):
        source.sample(0, 5)
    assert (random.getstate(), torch.get_rng_state().tolist()) == (states[0], states[1].tolist())


@pytest.mark.parametrize(("width", "height"), [(90, 60), (60, 90), (64, 64)])
def test_evaluation_takes_the_centre(tmp_path, width, height) -> None:
    """The short side to 256 / 224 of the size, then the centre, normalised."""
    image = picture(width=width, height=height)
    found, _ = photos(tmp_path, False, image).sample(0, 1)
    short = min(width, height)
    size = [int(side * 64 / short) for side in (width, height)]
    resized = torch.from_numpy(np.asarray(image.resize(size, Image.Resampling.BILINEAR)).copy()).permute(2, 0, 1)
    top, left = round((resized.shape[1] - 56) / 2), round((resized.shape[2] - 56) / 2)
    expected = (resized[:, top : top + 56, left : left + 56] / 255 - MEAN) / STD
    assert torch.allclose(found, expected, atol=1e-5)
    assert torch.equal(photos(tmp_path, False, image).sample(0, 2)[0], found)


def test_training_crops_flips_and_jitters(tmp_path) -> None:
    """Of a picture that is dark on the left and red on the right."""
    pixels = np.zeros((100, 100, 3), np.uint8)
    pixels[:, 50:, 0] = 200
    source = photos(tmp_path, True, Image.fromarray(pixels))
    samples = [source.sample(0, seed)[0] * STD + MEAN for seed in range(60)]
    sides = [(sample[0, :, :5].mean() - sample[0, :, -5:].mean()).item() for sample in samples]
    assert 5 < sum(side > 0.2 for side in sides) < 40  # flipped
    assert 5 < sum(side < -0.2 for side in sides) < 40
    reds = [sample[0].max().item() for sample in samples]
    assert max(reds) > 0.95
    assert min(red for red in reds if red > 0.1) < 0.6  # brightness 0.6 to 1.4
    assert any(sample[1].max() > 0.05 for sample in samples)  # hue


@pytest.mark.parametrize(("mode", "suffix"), [("L", "jpg"), ("CMYK", "jpg"), ("RGBA", "png"), ("P", "png"), ("1", "png")])
def test_every_kind_becomes_rgb(tmp_path, mode, suffix) -> None:
    image = picture(mode)
    source = photos(tmp_path, False, image, suffix)
    with Image.open(tmp_path / f"a.{suffix}") as saved:
        assert saved.mode == mode
        plain = saved.convert("RGB")
    (tmp_path / "plain").mkdir()
    assert torch.equal(source.sample(0, 1)[0], photos(tmp_path / "plain", False, plain).sample(0, 1)[0])


def test_a_corrupt_file_is_named(tmp_path) -> None:
    source = photos(tmp_path, True, suffix="jpg")
    (tmp_path / "a.jpg").write_bytes((tmp_path / "a.jpg").read_bytes()[:-300])
    with pytest.raises(InputError, match=rf"^{tmp_path / 'a.jpg'}: not a readable image \(image file is truncated"):
        source.sample(0, 1)
