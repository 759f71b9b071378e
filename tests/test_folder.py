import numpy as np
import pytest
from PIL import Image

from eoinas.data import folder
from eoinas.errors import InputError


def picture(seed: int, width: int = 12, height: int = 20) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(256, size=(height, width, 3), dtype=np.uint8))


def save(path, image: Image.Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


@pytest.fixture
def own(tmp_path):
    for index, name in enumerate(("train/cat/2.png", "train/cat/10.png", "train/ant/a.bmp", "test/cat/x.png", "test/ant/y.png")):
        save(tmp_path / name, picture(index, 8, 8))
    return tmp_path


def pixels(seed: int) -> np.ndarray:
    return np.asarray(picture(seed, 8, 8)).transpose(2, 0, 1)


def test_sorted_classes_and_files(own):
    (own / "train" / "notes.txt").write_text("not a class")
    (own / "train" / "cat" / "notes.txt").write_text("not an image")
    found = folder.read(own, 8)
    assert found.classes == ("ant", "cat")
    assert found.train_labels.tolist() == [0, 1, 1]
    assert np.array_equal(found.train_images, np.stack([pixels(2), pixels(1), pixels(0)]))
    assert np.array_equal(found.test_images, np.stack([pixels(4), pixels(3)]))
    assert found.test_labels.tolist() == [0, 1]
    assert found.train_images.dtype == np.uint8


def test_val_stands_in_for_test(own):
    save(own / "val" / "ant" / "z.png", picture(7, 8, 8))
    assert len(folder.read(own, 8).test_labels) == 2
    (own / "test").rename(own / "elsewhere")
    assert len(folder.read(own, 8).test_labels) == 1


@pytest.mark.parametrize(("width", "height"), [(12, 20), (20, 12), (7, 3), (8, 8), (500, 9)])
def test_short_side_resized_then_centre(own, width, height):
    path = own / "train" / "ant" / "a.bmp"
    image = picture(5, width, height)
    save(path, image)
    found = folder.read(own, 8).train_images[0]
    short = min(width, height)
    resized = np.asarray(image.resize((round(width * 8 / short), round(height * 8 / short)), Image.Resampling.BILINEAR))
    top, left = (resized.shape[0] - 8) // 2, (resized.shape[1] - 8) // 2
    assert np.array_equal(found, resized[top : top + 8, left : left + 8].transpose(2, 0, 1))


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [("L", "png"), ("1", "png"), ("P", "png"), ("LA", "png"), ("RGBA", "png"), ("CMYK", "jpg"), ("RGB", "WEBP")],
)
def test_every_kind_becomes_rgb(own, mode, suffix):
    path = own / "train" / "ant" / f"b.{suffix}"
    save(path, picture(5, 8, 8).convert(mode))
    with Image.open(path) as image:
        assert image.mode == mode
        expected = np.asarray(image.convert("RGB")).transpose(2, 0, 1)
    assert np.array_equal(folder.read(own, 8).train_images[1], expected)


def test_16_bit_grey_keeps_its_upper_byte(own):
    grey = np.random.default_rng(0).integers(65536, size=(8, 8), dtype=np.uint16)
    save(own / "train" / "ant" / "b.png", Image.fromarray(grey))
    assert np.array_equal(folder.read(own, 8).train_images[1], np.stack([grey >> 8] * 3))


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\x89PNG\r\n\x1a\n", None])
def test_unreadable_image(own, content):
    path = own / "test" / "cat" / "x.png"
    path.write_bytes(path.read_bytes()[:150] if content is None else content)
    with pytest.raises(InputError, match="not a readable image") as caught:
        folder.read(own, 8)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("split", ["train", "test"])
def test_missing_split(own, split):
    (own / split).rename(own / "elsewhere")
    with pytest.raises(InputError, match=rf"{own / split}: no such folder"):
        folder.read(own, 8)


def test_split_without_classes(own):
    (own / "val").mkdir()
    (own / "test").rename(own / "elsewhere")
    with pytest.raises(InputError, match=rf"{own / 'val'}: holds no folder"):
        folder.read(own, 8)


@pytest.mark.parametrize("split", ["train", "test"])
def test_empty_class(own, split):
    (own / split / "bee").mkdir()
    with pytest.raises(InputError, match=rf"{own / split / 'bee'}: a class without images"):
        folder.read(own, 8)


def test_class_that_training_lacks(own):
    save(own / "test" / "bee" / "x.png", picture(1))
    with pytest.raises(InputError, match=rf"{own / 'test' / 'bee'}: a class that the training images lack"):
        folder.read(own, 8)
