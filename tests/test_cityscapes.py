import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from eoinas.data import cityscapes, cityscapes_check
from eoinas.data.cityscapes_labels import CLASSES, COLOURS, EVALUATED, IGNORE, TABLE, TO_LABEL, TO_TRAIN, UNKNOWN
from eoinas.errors import InputError

PARAMS = Path(__file__).parent.parent / "params.yaml"
DRAWN = {
    "source": "drawn",
    "raw": "raw",
    "decode_all": True,
    "cache": "",
    "drawn_train": 6,
    "drawn_val": 6,
    "drawn_width": 128,
    "drawn_height": 64,
    "drawn_seed": 0,
}


def settings(**changes: object) -> cityscapes.CityscapesDataParams:
    return cityscapes.CityscapesDataParams(**{**DRAWN, **changes})


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "drawn"
    cityscapes_check.prepare(settings(), folder)
    return folder


@pytest.fixture
def raw(drawn, tmp_path) -> Path:
    """A raw folder of one's own, in the official layout."""
    shutil.copytree(drawn, tmp_path / "raw")
    return tmp_path / "raw"


def prepare(raw: Path, **changes: object) -> Path:
    out = raw.parent / "prepared"
    cityscapes_check.prepare(settings(source="folder", raw=str(raw), **changes), out)
    return out


def complaint(raw: Path, **changes: object) -> str:
    """The one line of a preparation that fails; it leaves nothing."""
    with pytest.raises(InputError) as caught:
        prepare(raw, **changes)
    assert "\n" not in str(caught.value)
    assert not (raw.parent / "prepared").exists()
    return str(caught.value)


def listed(folder: Path) -> list[cityscapes.Pair]:
    """The manifest of a prepared folder."""
    sha256 = yaml.safe_load((folder / "meta.json").read_text())["listing_sha256"]
    return cityscapes.read_manifest(folder / "manifest.csv", sha256)


def first(raw: Path, half: str, split: str = "train") -> Path:
    return sorted((raw / half / split).rglob("*.png"))[0]


# The label table.


def test_table_is_the_official_one() -> None:
    labels = pytest.importorskip("cityscapesscripts.helpers.labels").labels
    official = [(each.name, each.id, IGNORE if each.ignoreInEval else each.trainId, each.color) for each in labels]
    assert [tuple(label) for label in TABLE] == official


def test_label_maps_are_inverse_and_complete() -> None:
    assert len(CLASSES) == 19
    assert TO_TRAIN[TO_LABEL].tolist() == list(range(19))
    assert (TO_TRAIN != UNKNOWN).sum() == 34
    assert (TO_TRAIN < 19).sum() == 19
    assert [tuple(COLOURS[label.train_id]) for label in EVALUATED] == [label.colour for label in EVALUATED]


# Drawn scenes.


def test_drawn_scenes_have_every_class_in_both_splits(drawn) -> None:
    root = drawn
    for split in ("train", "val"):
        ids = {value for path in (root / "gtFine" / split).rglob("*.png") for value in np.unique(np.asarray(Image.open(path)))}
        assert set(TO_LABEL.tolist()) <= ids
        assert {1, 4} <= ids, "void labels occur too"


@pytest.mark.parametrize("scale", ["demo", "study", "paper"])
def test_drawn_scenes_of_every_scale_have_every_class(scale, tmp_path) -> None:
    block = yaml.safe_load(PARAMS.read_text())[scale]["cityscapes_data"] | {"source": "drawn", "decode_all": True}
    cityscapes_check.prepare(cityscapes.CityscapesDataParams(**block), tmp_path / "out")
    meta = yaml.safe_load((tmp_path / "out/meta.json").read_text())
    assert meta["classes"] == {"train": list(CLASSES), "val": list(CLASSES)}


def test_drawn_scenes_are_the_same_bytes_again_and_others_with_another_seed(drawn, tmp_path) -> None:
    def contents(folder: Path) -> dict[str, bytes]:
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    cityscapes_check.prepare(settings(), tmp_path / "again")
    cityscapes_check.prepare(settings(drawn_seed=1), tmp_path / "other")
    assert contents(tmp_path / "again") == contents(drawn)
    assert contents(tmp_path / "other") != contents(drawn)


def test_scenes_differ_and_are_not_told_apart_by_colour_alone(drawn) -> None:
    pairs = listed(drawn)
    pictures = [np.asarray(cityscapes.image(drawn, pair)) for pair in pairs]
    assert len({picture.tobytes() for picture in pictures}) == 12
    # The nearest mean colour of a class is right for less than two pixels in three.
    truth = np.stack([cityscapes.labels(drawn, pair) for pair in pairs])
    colours = np.stack(pictures).astype(float)
    means = np.stack([colours[truth == index].mean(0) for index in range(19)])
    nearest = ((colours[:, :, :, None] - means) ** 2).sum(-1).argmin(-1)
    assert (nearest == truth)[truth != IGNORE].mean() < 0.67


# The manifest.


def test_manifest_lists_both_splits_sorted_and_without_absolute_paths(raw) -> None:
    prepared = prepare(raw)
    pairs = listed(prepared)
    assert [pair.split for pair in pairs] == ["train"] * 6 + ["val"] * 6
    assert [pair.image for pair in pairs if pair.split == "val"] == sorted(pair.image for pair in pairs if pair.split == "val")
    assert pairs[0].image == "leftImg8bit/train/drawn/drawn_000000_000000_leftImg8bit.png"
    assert pairs[0].label == "gtFine/train/drawn/drawn_000000_000000_gtFine_labelIds.png"
    assert pairs[0].name == "drawn_000000_000000"
    assert pairs[0][3:] == (128, 64, (raw / pairs[0].image).stat().st_size, (raw / pairs[0].label).stat().st_size)
    assert {path.name for path in prepared.iterdir()} == {"manifest.csv", "meta.json"}, "no copies"
    assert str(raw) not in (prepared / "manifest.csv").read_text() + (prepared / "meta.json").read_text()


def test_classes_are_listed_only_where_everything_was_decoded(raw) -> None:
    assert yaml.safe_load((prepare(raw, decode_all=False) / "meta.json").read_text())["classes"] is None


def test_files_that_are_webp_in_truth_are_read(raw) -> None:
    path = first(raw, "leftImg8bit")
    picture = Image.open(path).convert("RGB")
    picture.save(path, format="WEBP", lossless=True)
    prepare(raw)


@pytest.mark.parametrize("mode", ["L", "CMYK", "RGBA"])
def test_pictures_of_other_modes_become_rgb(raw, mode) -> None:
    path = first(raw, "leftImg8bit")
    picture = Image.open(path).convert(mode)
    picture.save(path, format="TIFF")
    prepare(raw)
    pair = listed(raw.parent / "prepared")[0]
    assert cityscapes.image(raw, pair).mode == "RGB"


# Bad input.


@pytest.mark.parametrize(
    ("half", "archive"), [("leftImg8bit", "leftImg8bit_trainvaltest.zip"), ("gtFine", "gtFine_trainvaltest.zip")]
)
def test_a_missing_half_is_named_with_its_archive(raw, half, archive) -> None:
    shutil.rmtree(raw / half)
    message = complaint(raw)
    assert f"{raw / half}" in message
    assert archive in message


def test_an_empty_split_is_named(raw) -> None:
    shutil.rmtree(raw / "gtFine/val")
    (raw / "gtFine/val/city").mkdir(parents=True)
    assert f"{raw / 'gtFine/val'}: holds no <city>/<name>_gtFine_labelIds.png" in complaint(raw)


def test_an_image_without_labels_is_named(raw) -> None:
    first(raw, "gtFine", "val").unlink()
    message = complaint(raw)
    assert message.startswith(str(first(raw, "leftImg8bit", "val")))
    assert "sketch_000000_000000_gtFine_labelIds.png" in message


def test_labels_without_an_image_are_named(raw) -> None:
    first(raw, "leftImg8bit").unlink()
    assert complaint(raw).startswith(str(first(raw, "gtFine")))


def test_labels_of_another_size_are_named(raw) -> None:
    path = first(raw, "gtFine")
    Image.open(path).resize((64, 64), Image.Resampling.NEAREST).save(path)
    assert complaint(raw) == f"{path}: is 64x64 pixels and its image 128x64; replace one of them"


def test_a_colour_image_in_the_place_of_labels_is_named(raw) -> None:
    path = first(raw, "gtFine")
    Image.open(path).convert("RGB").save(path)
    assert complaint(raw).startswith(f"{path}: has mode RGB, a label image has one channel")


@pytest.mark.parametrize("value", [34, 254, 255])
def test_a_label_id_outside_the_table_is_named(raw, value) -> None:
    path = first(raw, "gtFine")
    labels = np.array(Image.open(path))
    labels[3, 5] = value
    Image.fromarray(labels).save(path)
    assert complaint(raw).startswith(f"{path}: label id {value} is outside the table (0 to 33)")


def test_a_16_bit_label_id_outside_the_table_is_named(raw) -> None:
    path = first(raw, "gtFine")
    labels = np.array(Image.open(path)).astype(np.uint16)
    labels[3, 5] = 26_001  # an instanceIds image
    Image.fromarray(labels).save(path)
    assert "label id 26001 is outside the table" in complaint(raw)


@pytest.mark.parametrize("half", ["leftImg8bit", "gtFine"])
@pytest.mark.parametrize("decode_all", [False, True])
def test_a_corrupt_head_is_named(raw, half, decode_all) -> None:
    path = first(raw, half)
    path.write_bytes(b"\x89PNG nothing else" + path.read_bytes()[20:])
    assert complaint(raw, decode_all=decode_all).startswith(f"{path}: not a readable image")


@pytest.mark.parametrize("half", ["leftImg8bit", "gtFine"])
def test_a_file_that_was_cut_off_is_named_without_decoding(raw, half) -> None:
    path = first(raw, half)
    path.write_bytes(path.read_bytes()[:-20])
    assert complaint(raw, decode_all=False) == f"{path}: cut off, its end is missing; copy or download it again"


PAST_THE_END = {"padded": bytes(512), "marked": b"made by a camera", "end again": b"\0\0\0\0IEND\xaeB`\x82" + bytes(4)}


@pytest.mark.parametrize("half", ["leftImg8bit", "gtFine"])
@pytest.mark.parametrize("rest", PAST_THE_END)
def test_bytes_after_the_end_of_a_png_do_no_harm(raw, half, rest) -> None:
    path = first(raw, half)
    path.write_bytes(path.read_bytes() + PAST_THE_END[rest])
    for decode_all in (False, True):
        prepare(raw, decode_all=decode_all)


@pytest.mark.parametrize("keep", [60, 200, -13, -5])
def test_a_png_that_was_cut_off_and_filled_up_is_not_whole(raw, keep) -> None:
    """Also where the text IEND stands in what it is filled up with."""
    path = first(raw, "leftImg8bit")
    path.write_bytes(path.read_bytes()[:keep] + bytes(300) + b"IEND")
    message = complaint(raw, decode_all=False)
    assert message.startswith(
        (f"{path}: cut off, its end is missing; copy", f"{path}: damaged, no chunk of a PNG begins at byte ")
    )


def test_a_png_without_its_last_byte_is_cut_off(raw) -> None:
    path = first(raw, "leftImg8bit")
    path.write_bytes(path.read_bytes()[:-1])
    assert complaint(raw, decode_all=False) == f"{path}: cut off, its end is missing; copy or download it again"


def test_damage_in_the_middle_is_found_by_the_full_check(raw) -> None:
    path = first(raw, "leftImg8bit", "val")
    content = bytearray(path.read_bytes())
    content[200:300] = bytes(100)
    path.write_bytes(content)
    prepare(raw, decode_all=False)
    shutil.rmtree(raw.parent / "prepared")
    assert complaint(raw).startswith(f"{path}: not a readable image")


def test_an_empty_file_is_named(raw) -> None:
    path = first(raw, "leftImg8bit")
    path.write_bytes(b"")
    assert complaint(raw).startswith(f"{path}: not a readable image")


def test_one_name_in_two_cities_is_named(raw) -> None:
    for half, suffix in (("leftImg8bit", "leftImg8bit"), ("gtFine", "gtFine_labelIds")):
        (raw / half / "val/other").mkdir()
        shutil.copy(first(raw, half, "val"), raw / half / f"val/other/sketch_000000_000000_{suffix}.png")
    assert "the name is also in val/other/sketch_000000_000000" in complaint(raw)


def test_a_variable_that_is_not_set_is_named() -> None:
    with pytest.raises(InputError, match=r"cityscapes_data.raw: \$NOWHERE/x names an environment variable"):
        cityscapes_check.prepare(settings(source="folder", raw="$NOWHERE/x"), "out")


# What is there, and whether it is enough.


def void(raw: Path, split: str, but: int = 0) -> None:
    """Make all labels of a split void, but those of the first ``but`` scenes."""
    for path in sorted((raw / "gtFine" / split).rglob("*.png"))[but:]:
        Image.fromarray(np.full((64, 128), 3, np.uint8)).save(path)


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize("decode_all", [False, True])
def test_labels_without_any_class_are_refused(raw, split, decode_all) -> None:
    void(raw, split)
    message = complaint(raw, decode_all=decode_all)
    assert message == (
        f"{raw / 'gtFine' / split}: none of its 6 label images has a pixel of the 19 classes, all are void; put the true "
        "labelIds images there"
    )


def test_a_sample_of_the_labels_is_looked_at_without_decoding_all(raw, monkeypatch, capsys) -> None:
    monkeypatch.setattr(cityscapes_check, "SAMPLE", 3)
    read = []
    labels = cityscapes.labels
    monkeypatch.setattr(cityscapes, "labels", lambda root, pair: (read.append(pair), labels(root, pair))[1])
    for _ in range(2):
        prepare(raw, decode_all=False)
    assert len(read) == 12
    assert read[:6] == read[6:], "the same sample again"
    assert " in the 3 looked at; val: " in capsys.readouterr().out
    void(raw, "val")
    shutil.rmtree(raw.parent / "prepared")
    message = complaint(raw, decode_all=False)
    assert "none of 3 label images looked at, of 6, has" in message
    assert message.endswith("or set cityscapes_data.decode_all to true to look at all of them")


def test_what_there_is_is_told_in_a_line(raw, capsys) -> None:
    void(raw, "train", but=4)
    for path in (raw / "gtFine/val").rglob("*.png"):
        Image.fromarray(np.repeat(np.array([[7, 23, 4, 26]], np.uint8), 4, 0)).resize((128, 64), 0).save(path)
    for half in ("leftImg8bit", "gtFine"):
        path = first(raw, half, "val")
        Image.open(path).resize((64, 32), 0).save(path)
    prepare(raw)
    assert capsys.readouterr().out == (
        "train: 6 scenes of 128x64 pixels, all 19 classes occur, 2 scenes without any; "
        "val: 6 scenes of 64x32 to 128x64 pixels, 3 of 19 classes occur (road, sky, car)\n"
    )


def test_the_search_needs_four_training_scenes(raw) -> None:
    for half in ("leftImg8bit", "gtFine"):
        for path in sorted((raw / half / "train").rglob("*.png"))[4:]:
            path.unlink()
    prepare(raw)
    shutil.rmtree(raw.parent / "prepared")
    for half in ("leftImg8bit", "gtFine"):
        first(raw, half).unlink()
    assert complaint(raw) == f"{raw}/leftImg8bit/train: holds 3 scenes; the search needs at least 4, 2 in each half; add some"


@pytest.mark.parametrize("half", ["leftImg8bit", "gtFine"])
def test_what_systems_leave_behind_changes_nothing(raw, half) -> None:
    before = {path.name: path.read_bytes() for path in prepare(raw).iterdir()}
    path = first(raw, half)
    for name in (f"._{path.name}", f"../__MACOSX/._{path.name}", f"@eaDir/{path.name}", f"../@eaDir/{path.name}", ".DS_Store"):
        (path.parent / name).parent.mkdir(exist_ok=True)
        (path.parent / name).write_bytes(b"x")
    assert {path.name: path.read_bytes() for path in prepare(raw).iterdir()} == before


@pytest.mark.parametrize("name", [b"m\xfcnchen/a", b"drawn/stra\xdfe"])
def test_a_name_that_is_not_utf_8_is_named(raw, name) -> None:
    for half, suffix in (("leftImg8bit", "_leftImg8bit.png"), ("gtFine", "_gtFine_labelIds.png")):
        path = raw / half / "train" / (os.fsdecode(name) + suffix)
        path.parent.mkdir(exist_ok=True)
        shutil.copy(first(raw, half), path)
    shown = name.decode("utf-8", "backslashreplace")
    assert complaint(raw) == f"{raw}/leftImg8bit/train/{shown}_leftImg8bit.png: its name is not UTF-8; rename it"


def test_pictures_that_are_not_taken_are_told(raw, capsys) -> None:
    path = first(raw, "leftImg8bit")
    for name in ("drawn_2.jpg", "../drawn_3_leftImg8bit.png", "more/drawn_4_leftImg8bit.png"):
        (path.parent / name).parent.mkdir(exist_ok=True)
        shutil.copy(path, path.parent / name)
    prepare(raw)
    folder, pattern = raw / "leftImg8bit/train", "<city>/<name>_leftImg8bit.png"
    line = f"3 files of {folder} were not taken, for they are no {pattern}: .png 2, .jpg 1"
    assert capsys.readouterr().out.splitlines()[0] == line


# What training sees.


@pytest.fixture
def prepared(raw) -> Path:
    """The folder that a raw folder of one's own is prepared in."""
    return prepare(raw)


def own(raw: Path, **changes: object) -> cityscapes.CityscapesDataParams:
    return settings(source="folder", raw=str(raw), **changes)


def loading(prepared: Path, raw: Path) -> str:
    """Why the data cannot be loaded."""
    with pytest.raises(InputError) as caught:
        cityscapes.load(prepared, own(raw))
    return str(caught.value)


def test_loading_gives_the_splits_and_a_description(prepared, raw) -> None:
    scenes = cityscapes.load(prepared, own(raw))
    assert (len(scenes.split("train")), len(scenes.split("val"))) == (6, 6)
    assert scenes.root == raw
    assert set(scenes.description) == {"source", "counts", "listing_sha256"}


def test_moved_pictures_need_no_preparation(prepared, raw, tmp_path) -> None:
    shutil.move(raw, tmp_path / "elsewhere")
    assert "set cityscapes_data.raw to where it is" in loading(prepared, raw)
    assert cityscapes.load(prepared, own(tmp_path / "elsewhere")).root == tmp_path / "elsewhere"


def test_a_cache_is_the_listings_own(prepared, raw, tmp_path) -> None:
    assert cityscapes.load(prepared, own(raw)).cache is None
    scenes = cityscapes.load(prepared, own(raw, cache=str(tmp_path / "cache")))
    assert scenes.cache == tmp_path / "cache" / scenes.meta["listing_sha256"][:16]
    with pytest.raises(InputError, match=r"cityscapes_data.cache: \$NOWHERE/x names an environment variable"):
        cityscapes.load(prepared, own(raw, cache="$NOWHERE/x"))


def test_a_file_that_changed_or_went_is_named_before_training(prepared, raw) -> None:
    path = first(raw, "gtFine", "val")
    content = path.read_bytes()
    path.write_bytes(content + b"x")
    message = loading(prepared, raw)
    assert message.startswith(f"{path}: has {len(content) + 1} bytes and had {len(content)} when the data were prepared; ")
    path.unlink()
    assert loading(prepared, raw).startswith(f"{path}: No such file")


def test_drawn_scenes_are_found_in_the_prepared_folder(drawn) -> None:
    assert cityscapes.load(drawn, settings(raw="$NOWHERE")).root == drawn


@pytest.mark.parametrize("content", [b"", b"split,image\ntrain,x\n", b"\xff"])
def test_a_damaged_manifest_is_named(prepared, raw, content) -> None:
    (prepared / "manifest.csv").write_bytes(content)
    message = loading(prepared, raw)
    assert message.startswith(f"{prepared / 'manifest.csv'}: not the listing that meta.json beside it describes")


def test_data_that_were_not_prepared_are_named(raw) -> None:
    assert f"{raw.parent / 'nothing/meta.json'}: no such file" in loading(raw.parent / "nothing", raw)
