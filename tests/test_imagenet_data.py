import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eoinas.data import imagenet, imagenet_prepare
from eoinas.errors import InputError

NAMES = ("train/n01/b.JPEG", "train/n01/a.JPEG", "train/n02/c,1.jpg", "val/n01/x.JPEG", "val/n02/y.png")


def picture(seed: int, width: int = 12, height: int = 20) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(256, size=(height, width, 3), dtype=np.uint8))


def save(path: Path, image: Image.Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


@pytest.fixture
def raw(tmp_path) -> Path:
    for index, name in enumerate(NAMES):
        save(tmp_path / "raw" / name, picture(index, 12 + index, 20))
    return tmp_path / "raw"


def settings(raw: Path | str = "raw", **changes: object) -> imagenet.ImagenetDataParams:
    given = {"source": "folder", "raw": str(raw), "classes": 2, "decode_all": False, "digits_train": 3, "digits_val": 2}
    return imagenet.ImagenetDataParams(**{**given, **changes})


def prepare(raw: Path, **changes: object) -> Path:
    out = raw.parent / "prepared"
    imagenet_prepare.prepare(out, settings(raw, **changes))
    return out


def refused(raw: Path, **changes: object) -> str:
    """The one line of a refusal, which leaves nothing behind."""
    with pytest.raises(InputError) as caught:
        prepare(raw, **changes)
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in raw.parent.iterdir()) == ["raw"]
    return str(caught.value)


def test_manifest(raw) -> None:
    (raw / "train/n01/notes.txt").write_text("not an image")
    out = prepare(raw)
    lines = (out / "manifest.csv").read_text().splitlines()
    sizes = {name: (raw / name).stat().st_size for name in NAMES}
    assert lines == [
        "path,class,width,height,bytes",
        f"train/n01/a.JPEG,0,13,20,{sizes[NAMES[1]]}",
        f"train/n01/b.JPEG,0,12,20,{sizes[NAMES[0]]}",
        f'"train/n02/c,1.jpg",1,14,20,{sizes[NAMES[2]]}',
        f"val/n01/x.JPEG,0,15,20,{sizes[NAMES[3]]}",
        f"val/n02/y.png,1,16,20,{sizes[NAMES[4]]}",
    ]
    assert sorted(path.name for path in out.iterdir()) == ["manifest.csv", "meta.json"]  # no copies
    assert str(raw.parent) not in (out / "meta.json").read_text()
    listing = imagenet.read(out, raw)
    assert (listing.folder, listing.source, listing.classes) == (raw, "folder", ("n01", "n02"))
    assert listing.train.paths.tolist() == ["train/n01/a.JPEG", "train/n01/b.JPEG", "train/n02/c,1.jpg"]
    assert listing.train.labels.tolist() == [0, 0, 1]
    assert listing.val.labels.tolist() == [0, 1]
    assert listing.train.bytes.tolist() == [sizes[name] for name in listing.train.paths]
    imagenet.check_files(listing)


def test_images_below_a_class_and_of_every_suffix_are_taken(raw, capsys) -> None:
    for name in ("train/n01/images/day 1/z.tif", "train/n01/images/a.ppm", "val/n02/images/a.WEBP"):
        save(raw / name, picture(3))
    for name in ("train/n01/n01_boxes.txt", "train/n02/a.gif", "val/labels.txt"):
        (raw / name).write_text("not taken")
    listing = imagenet.read(prepare(raw, decode_all=True), raw)
    names = ["a.JPEG", "b.JPEG", "images/a.ppm", "images/day 1/z.tif"]
    assert listing.train.paths.tolist() == [*(f"train/n01/{name}" for name in names), "train/n02/c,1.jpg"]
    assert listing.train.labels.tolist() == [0, 0, 0, 0, 1]
    assert listing.val.paths.tolist() == ["val/n01/x.JPEG", "val/n02/images/a.WEBP", "val/n02/y.png"]
    imagenet.check_files(listing)
    assert capsys.readouterr().out.splitlines() == [
        f"2 files of {raw}/train/n01 and 1 other class were not taken: .txt 1, .gif 1",
        f"1 file of {raw}/val was not taken, for they lie in no class: .txt 1",
    ]


def test_what_systems_leave_behind_changes_nothing(raw) -> None:
    before = {path.name: path.read_bytes() for path in prepare(raw).iterdir()}
    for name in ("train/n01/._a.JPEG", "val/__MACOSX/._y.png", "val/n02/@eaDir/y.png/SYNO_S.jpg", "train/.DS_Store"):
        (raw / name).parent.mkdir(parents=True, exist_ok=True)
        (raw / name).write_bytes(b"x")
    assert {path.name: path.read_bytes() for path in prepare(raw).iterdir()} == before


@pytest.mark.parametrize("name", [b"train/n01/caf\xe9.jpg", b"val/n02/\xfc/a.png", b"train/caf\xe9/a.png"])
def test_a_name_that_is_not_utf_8_is_named(raw, name) -> None:
    save(raw / os.fsdecode(name), picture(1))
    shown = os.fsencode(raw).decode() + "/" + name.decode("utf-8", "backslashreplace")
    assert refused(raw) in (f"{each}: its name is not UTF-8; rename it" for each in (shown, os.path.dirname(shown)))


def test_neither_the_place_nor_decoding_changes_a_byte(raw, tmp_path) -> None:
    first = {path.name: path.read_bytes() for path in prepare(raw).iterdir()}
    moved = tmp_path / "elsewhere" / "raw"
    shutil.copytree(raw, moved)
    assert first == {path.name: path.read_bytes() for path in prepare(moved, decode_all=True).iterdir()}


def test_raw_is_expanded(raw, monkeypatch) -> None:
    monkeypatch.setenv("IMAGES", str(raw))
    out = prepare(raw)
    assert imagenet.load(out, settings("$IMAGES")).folder == raw
    assert imagenet.load(out, settings("~/x")).folder == Path.home() / "x"
    for place, what in (("$ABSENT/x", "an environment variable that is not set"), ("~nobody-here/x", "a user that is not known")):
        with pytest.raises(InputError, match=rf"params.yaml: imagenet_data.raw: {re.escape(place)} names {what}"):
            imagenet.load(out, settings(place))


@pytest.mark.parametrize("split", ["train", "val"])
def test_missing_half(raw, split) -> None:
    shutil.rmtree(raw / split)
    assert refused(raw) == f"{raw / split}: no such folder; it must hold one folder of images for each class"


def test_wrong_number_of_classes(raw) -> None:
    assert refused(raw, classes=1000).startswith(f"{raw / 'train'}: 2 classes, but imagenet_data.classes says 1000; ")


@pytest.mark.parametrize(("one", "other"), [("train", "val"), ("val", "train")])
def test_a_class_that_one_half_lacks(raw, one, other) -> None:
    save(raw / one / "n03/z.png", picture(9))
    assert refused(raw, classes=3 if one == "train" else 2).startswith(f"{raw / other / 'n03'}: no such folder, but {one} has")


def test_an_empty_class(raw) -> None:
    (raw / "val/n02/y.png").unlink()
    assert refused(raw).startswith(f"{raw / 'val/n02'}: a class without images")


def test_flat_validation_images_are_refused_with_the_command(raw) -> None:
    shutil.rmtree(raw / "val")
    save(raw / "val/ILSVRC2012_val_00000001.JPEG", picture(1))
    message = refused(raw)
    assert message.startswith(f"{raw / 'val'}: images without class folders; delete it, put ILSVRC2012_img_val.tar and ")
    assert f"python -c \"import torchvision; torchvision.datasets.ImageNet('{raw}', 'val')\"" in message


@pytest.mark.parametrize("content", [b"", b"nonsense", None])
@pytest.mark.parametrize("name", ["train/n02/c,1.jpg", "val/n02/y.png"])
def test_a_file_without_a_header_is_named(raw, name, content) -> None:
    path = raw / name
    path.write_bytes(path.read_bytes()[:20] if content is None else content)
    assert refused(raw).startswith(f"{path}: not a readable image (")


def test_a_truncated_image_is_found_by_decoding(raw) -> None:
    path = raw / "train/n01/b.JPEG"
    path.write_bytes(path.read_bytes()[:-200])
    assert refused(raw, decode_all=True).startswith(f"{path}: not a readable image (image file is truncated")
    prepare(raw)


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_other_kinds_of_jpeg_are_taken(raw, mode) -> None:
    save(raw / "train/n01/c.JPEG", picture(7).convert(mode))
    assert len(imagenet.read(prepare(raw, decode_all=True), raw).train.paths) == 4


# The check before a training


@pytest.fixture
def listing(raw) -> imagenet.Listing:
    return imagenet.read(prepare(raw), raw)


def test_a_file_that_has_gone(listing) -> None:
    path = listing.folder / "val/n01/x.JPEG"
    path.unlink()
    with pytest.raises(
        InputError, match=rf"^{path}: No such file or directory, but it is in the manifest; set imagenet_data.raw"
    ):
        imagenet.check_files(listing)


def test_a_file_that_has_changed(listing) -> None:
    path = listing.folder / "train/n01/b.JPEG"
    size = path.stat().st_size
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(InputError, match=rf"^{path}: has {size + 1} bytes, in the manifest {size}; "):
        imagenet.check_files(listing)


# Reading the manifest


def test_no_manifest(tmp_path) -> None:
    with pytest.raises(InputError, match=r"meta.json: no such file; prepare the data first"):
        imagenet.read(tmp_path, tmp_path)


@pytest.mark.parametrize("damage", [lambda text: text.replace("n01", "n02"), lambda text: text[:-9], None])
def test_another_manifest_than_meta_says(raw, damage) -> None:
    path = prepare(raw) / "manifest.csv"
    path.write_text(damage(path.read_text())) if damage else path.unlink()
    with pytest.raises(InputError, match=rf"^{path}: not the file that meta.json was written for; prepare the data again"):
        imagenet.read(path.parent, raw)


@pytest.mark.parametrize(
    "name",
    [
        "../n01/x.jpg",
        "train/../x.jpg",
        "/train/x.jpg",
        "train/x.jpg",
        "test/n01/x.jpg",
        "train/n01/..",
        "train/n01/../../x.jpg",
        "train/n01/a/../x.jpg",
        "train//x.jpg",
        "train/n01/./x.jpg",
        "train/n01/",
    ],
)
def test_a_path_may_not_leave_the_folder(tmp_path, name) -> None:
    rows = {"train": [(name, 0, 1, 1, 1)], "val": [("val/n01/x.jpg", 0, 1, 1, 1)]}
    imagenet.save(tmp_path, "folder", ["n01", "n02"], rows)
    with pytest.raises(InputError, match=rf"manifest.csv: line \d: '{name}' is no image of a class"):
        imagenet.read(tmp_path, tmp_path)


def test_a_class_index_outside_the_classes(tmp_path) -> None:
    rows = {"train": [("train/n01/x.jpg", 2, 1, 1, 1)], "val": [("val/n01/x.jpg", 0, 1, 1, 1)]}
    imagenet.save(tmp_path, "folder", ["n01", "n02"], rows)
    with pytest.raises(InputError, match=r"manifest.csv: line 2: 'train/n01/x.jpg' is no image of a class"):
        imagenet.read(tmp_path, tmp_path)


# The demo's


def test_digits(tmp_path) -> None:
    out = tmp_path / "prepared"
    imagenet_prepare.prepare(out, settings(source="digits", classes=10))
    listing = imagenet.read(out, tmp_path)
    imagenet.check_files(listing)
    assert listing.folder == out / "images"
    assert np.bincount(listing.train.labels).tolist() == [3] * 10
    assert np.bincount(listing.val.labels).tolist() == [2] * 10
    images = [Image.open(listing.folder / name) for name in listing.train.paths]
    assert {image.format for image in images} == {"JPEG"}
    assert {image.size for image in images} == {(120, 120), (180, 120)}
    assert {image.mode for image in images} == {"L", "RGB"}
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    imagenet_prepare.prepare(out, settings(source="digits", classes=10))
    assert before == {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
