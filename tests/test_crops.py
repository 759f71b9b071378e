from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD

from eoinas.data import cityscapes, crops
from eoinas.data.cityscapes_labels import IGNORE, TO_LABEL
from eoinas.errors import InputError

WIDTH, HEIGHT = 96, 64


def settings(**changes: object) -> crops.CropParams:
    return crops.CropParams(**{"short_side": 0, "scale_min": 1.0, "scale_max": 1.0, "crop": 48, **changes})


def pair(name: str) -> cityscapes.Pair:
    return cityscapes.Pair("train", f"{name}_image.png", f"{name}_label.png", WIDTH, HEIGHT, 0, 0)


@pytest.fixture
def root(tmp_path) -> Path:
    """One scene whose red is the column, whose green is the row, and whose label is the cell of a grid of 6 x 3."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    picture = np.stack([columns * 2, rows * 3, np.zeros_like(rows)], -1).astype(np.uint8)
    classes = (rows * 3 // HEIGHT) * 6 + columns * 6 // WIDTH
    Image.fromarray(picture).save(tmp_path / "a_image.png")
    Image.fromarray(TO_LABEL[classes]).save(tmp_path / "a_label.png")
    return tmp_path


def pixels(image: torch.Tensor) -> np.ndarray:
    """Back from normalised [3, S, S] to 0..255 [S, S, 3]."""
    mean, std = (np.array(values)[:, None, None] for values in (crops.MEAN, crops.STD))
    return ((image.numpy() * std + mean) * 255).transpose(1, 2, 0)


def samples(root: Path, count: int = 40, **changes: object) -> list[tuple[torch.Tensor, torch.Tensor]]:
    data = crops.Crops(root, [pair("a")], settings(**changes))
    return [data.sample(0, seed) for seed in range(count)]


def test_shapes_and_types(root) -> None:
    image, target = samples(root, 1)[0]
    assert (image.shape, image.dtype, target.shape, target.dtype) == ((3, 48, 48), torch.float32, (48, 48), torch.uint8)
    assert image.is_contiguous()
    assert target.is_contiguous()


@pytest.mark.parametrize("scale", [0.5, 0.8, 1.0, 1.7])
def test_image_and_labels_stay_together(root, scale) -> None:
    """The labels are what the colours say of each pixel's place, up to the pixels at the border of two classes."""
    for image, target in samples(root, scale_min=scale, scale_max=scale):
        counted = target.numpy() != IGNORE
        red, green, _ = np.moveaxis(pixels(image), -1, 0)
        column, row = red / 2 + 0.5, green / 3 + 0.5
        inside = counted & (abs(column % 16 - 8) < 5.5) & (abs(row % (HEIGHT / 3) - HEIGHT / 6) < 8)
        expected = (row * 3 // HEIGHT).astype(int) * 6 + (column * 6 // WIDTH).astype(int)
        assert inside.sum() > 100
        assert (target.numpy() == expected)[inside].all()


def test_everything_follows_from_the_seed(root) -> None:
    first, again = samples(root), samples(root)
    assert all(torch.equal(a, b) for one, other in zip(first, again, strict=True) for a, b in zip(one, other, strict=True))
    assert len({image.numpy().tobytes() for image, _ in first}) > 30


def test_torchs_own_generator_is_left_alone(root) -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    samples(root, 2, scale_min=0.5)
    assert torch.equal(torch.get_rng_state(), before)


def test_colours_are_normalised_as_imagenets() -> None:
    assert (crops.MEAN, crops.STD) == (IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD)


def test_a_draw_below_a_half_flips(root) -> None:
    for seed, (image, _) in enumerate(samples(root, 20)):
        draw = torch.rand(4, generator=torch.Generator().manual_seed(seed))[3]
        assert (pixels(image)[0, 0, 0] > pixels(image)[0, -1, 0]) == (draw < 0.5)


def test_half_of_them_are_flipped(root) -> None:
    flipped = [pixels(image)[0, 0, 0] > pixels(image)[0, -1, 0] for image, _ in samples(root, 200)]
    assert 70 < sum(flipped) < 130


def test_every_place_is_cut_out(root) -> None:
    corners = set()
    for image, _ in samples(root, 600):
        colours = pixels(image)
        corners.add((round(colours[..., 0].min() / 2), round(colours[..., 1].min() / 3)))
    lefts, tops = ({corner[axis] for corner in corners} for axis in (0, 1))
    assert (min(lefts), max(lefts), min(tops), max(tops)) == (0, WIDTH - 48, 0, HEIGHT - 48)
    assert (len(lefts), len(tops)) == (WIDTH - 47, HEIGHT - 47)


def test_scales_are_between_the_two(root) -> None:
    """The step of red from pixel to pixel is 2 / scale."""
    steps = [abs(np.diff(pixels(image)[20, 5:30, 0]).mean()) for image, _ in samples(root, 100, scale_min=0.75, scale_max=2.0)]
    assert 0.9 < min(steps) < 1.15
    assert 2.4 < max(steps) < 2.75


def test_a_picture_that_shrinks_to_nothing_is_one_pixel(root) -> None:
    for _, target in samples(root, 5, scale_min=0.001, scale_max=0.001):
        assert (target != IGNORE).sum() == 1


def test_short_side_comes_before_the_scale(root) -> None:
    steps = [abs(np.diff(pixels(image)[20, 5:30, 0]).mean()) for image, _ in samples(root, 10, short_side=128)]
    assert np.allclose(steps, 1.0, atol=0.05)


def test_what_the_picture_lacks_is_the_mean_colour_and_does_not_count(root) -> None:
    for image, target in samples(root, 5, crop=80, scale_min=0.5, scale_max=0.5):
        assert (target[:, 48:] == IGNORE).all()
        assert (target[32:] == IGNORE).all()
        assert (target[:32, :48] != IGNORE).all()
        assert (image[:, 32:] == 0).all()
        assert (image[:, :, 48:] == 0).all()


def test_void_labels_do_not_count(root) -> None:
    labels = np.array(Image.open(root / "a_label.png"))
    labels[:] = 4  # static
    Image.fromarray(labels).save(root / "a_label.png")
    assert (samples(root, 1)[0][1] == IGNORE).all()


def test_a_damaged_file_is_named(root) -> None:
    path = root / "a_image.png"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match=r"a_image\.png: not a readable image"):
        samples(root, 1)


def test_normalisation_is_that_of_imagenet() -> None:
    picture = np.full((2, 2, 3), 255, np.uint8)
    expected = [(1 - mean) / std for mean, std in zip(crops.MEAN, crops.STD, strict=True)]
    assert crops.normalise(picture)[:, 0, 0].tolist() == pytest.approx(expected)


@pytest.mark.parametrize("count", [4, 7, 12])
def test_halves_are_disjoint_equal_and_seeded(count) -> None:
    pairs = [pair(f"{index:02d}") for index in range(count)]
    one, other = crops.halves(pairs, 0)
    assert sorted(one + other) == pairs
    assert len(one) - len(other) == count % 2
    assert crops.halves(pairs, 0) == (one, other)
    if count == 12:
        assert crops.halves(pairs, 1) != (one, other)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_half_has_at_least_two_scenes(count) -> None:
    with pytest.raises(InputError, match=rf"at least 4 training scenes, 2 in each half, and there are {count}; add some"):
        crops.halves([pair(f"{index:02d}") for index in range(count)], 0)


def test_scales_must_be_ordered() -> None:
    with pytest.raises(ValidationError, match="scale_min must not be above scale_max"):
        settings(scale_min=2.0)
