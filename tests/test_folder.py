import os

import numpy as np
import pytest
from PIL import Image

from eoinas.data import folder, rgb
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


def test_images_are_those_of_torchvisions_image_folder(own, capsys):
    from torchvision.datasets import ImageFolder
    from torchvision.datasets.folder import IMG_EXTENSIONS

    assert sorted(rgb.SUFFIXES) == sorted(IMG_EXTENSIONS)
    for index, suffix in enumerate(IMG_EXTENSIONS):
        save(own / f"train/ant/session2/day 1/{index}{suffix.upper()}", picture(20 + index, 8, 8).convert("L"))
    for name in ("a.txt", "b.txt", "c.gif", "session2/d.txt", "none"):
        (own / "train/ant" / name).write_text("not an image")
    (own / "train/notes.txt").write_text("of no class")
    found, theirs = folder.read(own, 8), ImageFolder(str(own / "train"))
    assert sorted(found.train_labels.tolist()) == sorted(theirs.targets)
    ours = {image.tobytes() for image in found.train_images}
    assert ours == {np.asarray(image).transpose(2, 0, 1).tobytes() for image, _ in theirs}
    assert capsys.readouterr().out.splitlines() == [
        f"1 file of {own}/train was not taken, for they lie in no class: .txt 1",
        f"5 files of {own}/train/ant were not taken: .txt 3, .gif 1, no suffix 1",
    ]


def test_the_order_is_that_of_the_paths(own):
    for index, name in enumerate(("b/1.png", "b-1.png", "b.png", "a/z/1.png")):
        save(own / "train/cat" / name, picture(30 + index, 8, 8))
    names = [path.relative_to(own / "train/cat").as_posix() for path in folder.classes_of(own / "train")["cat"]]
    assert names == ["10.png", "2.png", "a/z/1.png", "b-1.png", "b.png", "b/1.png"]


def test_what_several_classes_leave_out_is_one_line(own, capsys):
    for name in ("ant", "cat"):
        (own / f"train/{name}/box.xml").write_text("")
    folder.read(own, 8)
    assert capsys.readouterr().out == f"2 files of {own}/train/ant and 1 other class were not taken: .xml 2\n"


def test_what_systems_leave_behind_is_neither_class_nor_image(own, capsys):
    for name in (
        "train/__MACOSX/cat/._2.png",
        "train/ant/._a.bmp",
        "train/.DS_Store",
        "train/@eaDir/a.png",
        "test/cat/Thumbs.db",
    ):
        (own / name).parent.mkdir(parents=True, exist_ok=True)
        (own / name).write_bytes(b"not an image")
    assert folder.read(own, 8).train_labels.tolist() == [0, 1, 1]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", [b"train/cat/caf\xe9.png", b"train/caf\xe9/1.png", b"test/cat/\xe9/1.png"])
def test_a_name_that_is_not_utf_8(own, name):
    save(own / os.fsdecode(name), picture(1, 8, 8))
    with pytest.raises(InputError, match=r"\\xe9(\.png|/1\.png)?: its name is not UTF-8; rename it$"):
        folder.read(own, 8)


def test_one_image_is_too_few(own):
    for name in ("train/cat/2.png", "train/cat/10.png"):
        (own / name).unlink()
    (own / "train/cat").rmdir()
    (own / "test/cat/x.png").unlink()
    (own / "test/cat").rmdir()
    with pytest.raises(InputError, match=rf"^{own / 'train'}: holds 1 image; training needs at least 2, a search 4"):
        folder.read(own, 8)
    save(own / "train/ant/b.png", picture(3, 8, 8))
    with pytest.raises(InputError, match=rf"^{own / 'train'}: holds one class, ant"):
        folder.read(own, 8)


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


def test_16_bit_grey_of_pgm_keeps_its_upper_byte(own):
    grey = np.random.default_rng(0).integers(65536, size=(8, 8), dtype=np.uint16)
    (own / "train/ant/b.pgm").write_bytes(b"P5 8 8 65535\n" + grey.astype(">u2").tobytes())
    assert np.array_equal(folder.read(own, 8).train_images[1], np.stack([grey >> 8] * 3))


@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_pixels_of_32_bits_have_no_known_white(own, kind):
    path = own / "train/ant/b.tif"
    Image.fromarray(np.ones((8, 8), kind)).save(path)
    for read in (lambda: folder.read(own, 8), lambda: rgb.size(path)):
        with pytest.raises(InputError, match=rf"^{path}: its pixels have 32 bits"):
            read()


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
