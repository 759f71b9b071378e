"""Whatever a file from outside holds, it is read right or refused in one line, with exit code 1 and no output changed.

A few hundred cases in the default run; EOINAS_FUZZ=N tries N for each kind of file: 100 make more than 2,000 in all.
"""

import json
import os
import pickle
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eoinas import checkpoint, command, entries, files, formats, genotype, params, plan, selection, weights
from eoinas.code import ROOT
from eoinas.data import cifar, cityscapes, folder, imageset
from eoinas.models import ops
from eoinas.models.cifar import NetworkCIFAR
from eoinas.spaces import registry
from eoinas.train import candidates
from eoinas.train.search_cifar import SearchStage
from stages import entries as entry_stage
from stages import settings as settings_stage

CASES = int(os.environ.get("EOINAS_FUZZ", "25"))
CELL = genotype.load(ROOT / "data/genotypes/eoinas_cifar.json")
ODD = ["", "nan", "-1", "1e999", "null", "[]", "{}", "true", '"', "'", ": ", "\n", "\0", "..", "*a", "!!x", "9" * 40]


@st.composite
def mutated(draw: st.DrawFn, whole: bytes) -> bytes:
    """One to four mutations of ``whole``: a bit flipped, a piece cut out, doubled, overwritten or replaced, the end cut off."""
    blob = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, max(0, len(blob) - 1)))
        stop = min(len(blob), start + draw(st.integers(0, 40)))
        match draw(st.sampled_from(("flip", "cut", "double", "overwrite", "replace", "truncate"))):
            case "flip" if blob:
                blob[start] ^= 1 << draw(st.integers(0, 7))
            case "cut":
                del blob[start:stop]
            case "double":
                blob[start:start] = blob[start:stop]
            case "overwrite":
                blob[start:stop] = draw(st.binary(max_size=12))
            case "replace":
                blob[start:stop] = draw(st.sampled_from(ODD)).encode()
            case "truncate":
                del blob[start:]
    return bytes(blob)


def refusal(read: Callable[[], object]) -> str | None:
    """What the user sees where a stage that calls ``read`` ends in an error; an exception with a traceback passes through."""

    def main() -> None:
        read()

    try:
        command.run(main)
    except SystemExit as end:
        shown = end.code
    else:
        return None
    assert isinstance(shown, str)  # Python prints it and ends with code 1
    assert shown.startswith("error: ")
    assert "\n" not in shown
    return shown.removeprefix("error: ")


def tiny() -> imageset.ImageSet:
    """A few random images of 8 x 8 in three classes."""
    source = np.random.default_rng(0)
    splits = [(source.integers(256, size=(n, 3, 8, 8), dtype=np.uint8), np.arange(n) % 3) for n in (16, 6)]
    return imageset.build(*splits, ("ant", "bee", "cat"), "here")


def outputs() -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in Path("results").rglob("*") if path.is_file()}


def try_out(path: Path, whole: bytes, read: Callable[[], object]) -> None:
    """Read many mutations of ``whole`` at ``path``; each must be read or refused, and the refused leave outputs alone."""
    read()

    @settings(max_examples=CASES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(mutated(whole))
    def case(blob: bytes) -> None:
        path.write_bytes(blob)
        before = outputs()
        if refusal(read) is not None:
            assert outputs() == before

    case()
    path.write_bytes(whole)
    read()


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.setattr(files, "sync", lambda _path: None)  # thousands of files that nobody needs after a power cut
    monkeypatch.setattr(sys, "argv", ["stage"])
    for module, name in ((command, "_end_with_parent"), (signal, "signal")):  # these are of the process that runs the tests
        monkeypatch.setattr(module, name, lambda *_: None)


def test_params(tmp_path) -> None:
    whole = (ROOT / "params.yaml").read_bytes()
    Path("params.yaml").write_bytes(whole)
    try_out(Path("params.yaml"), whole, lambda: settings_stage.main("demo"))


def test_values_of_params() -> None:
    """The file stays YAML, and one value in it becomes another."""
    whole = yaml.safe_load((ROOT / "params.yaml").read_text())
    places = []

    def collect(block: dict, path: tuple) -> None:
        for key, value in block.items():
            places.append((*path, key))
            if isinstance(value, dict):
                collect(value, (*path, key))

    collect(whole, ())
    value = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
        max_leaves=4,
    )

    @settings(max_examples=CASES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(places), value)
    def case(place: tuple, new: object) -> None:
        values = json.loads(json.dumps(whole))
        block = values
        for key in place[:-1]:
            block = block[key]
        block[place[-1]] = new
        Path("params.yaml").write_text(yaml.dump(values, Dumper=yaml.CSafeDumper))
        message = refusal(lambda: settings_stage.main("demo"))
        assert message is None or message.startswith("params.yaml: ")

    case()


def test_genotype() -> None:
    whole = (ROOT / "data/genotypes/eoinas_cifar.json").read_bytes()
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    mine = {"genotype": "data/genotypes/mine.json"}
    values |= {"entries": {"cifar10-mine": mine}, "imagenet_entries": {"mine": mine}, "cityscapes_entries": {"mine": mine}}
    Path("params.yaml").write_text(yaml.safe_dump(values))
    settings_stage.main("demo")
    imageset.save("data/prepared/demo/images/cifar10", tiny(), "tests")
    path = Path("data/genotypes/mine.json")
    path.parent.mkdir(parents=True)
    path.write_bytes(whole)

    def read() -> None:
        entry_stage.main("demo")
        cell, _ = entries.load("results/demo/entries/cifar10-mine.json")
        NetworkCIFAR(cell, 2, 3, 3, 16)

    with torch.device("meta"):
        try_out(path, whole, read)


def test_entry() -> None:
    whole = json.dumps({"genotype": "eoinas", "cutout": 16, "cell": genotype.plain(CELL)}).encode()
    Path("entry.json").write_bytes(whole)
    try_out(Path("entry.json"), whole, lambda: entries.load("entry.json"))


def test_settings() -> None:
    Path("params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    settings_stage.main("demo")
    for name, section in (("search/eoinas/0-3", SearchStage), ("report", plan.Plan)):
        path = Path(f"results/demo/settings/{name}.json")
        try_out(path, path.read_bytes(), lambda section=section, name=name: params.read_settings(section, "demo", name))


def test_score() -> None:
    whole = json.dumps({"accuracy": 0.5, "by": "supernet", "images": 10}).encode()
    Path("seed").mkdir()
    Path("seed/score.json").write_bytes(whole)
    try_out(Path("seed/score.json"), whole, lambda: selection.select({0: "seed"}))


def test_checkpoint() -> None:
    def states() -> checkpoint.Checkpoint:
        return checkpoint.Checkpoint("stage", "k" * 64, 1e-9)

    state = {"epoch": 3, "step": 1, "weights": torch.arange(20.0), "rows": [{"epoch": 1}]}
    with pytest.raises(KeyboardInterrupt), states() as first:  # noqa: PT012
        first.offer(lambda: state)
        raise KeyboardInterrupt
    (path,) = Path(".scratch").glob("*/newest.pt")
    whole = path.read_bytes()

    def read() -> None:
        with pytest.raises(KeyboardInterrupt), states() as found:  # noqa: PT012
            loaded = found.load()
            assert loaded is None or (loaded["epoch"] == 3 and torch.equal(loaded["weights"], state["weights"]))
            assert not path.exists() or path.read_bytes() == whole  # a damaged one was set aside
            raise KeyboardInterrupt

    try_out(path, whole, read)


def test_weights() -> None:
    network = NetworkCIFAR(CELL, 2, 3, 3, 16)
    weights.save(network, Path("weights.safetensors"))
    try_out(
        Path("weights.safetensors"),
        Path("weights.safetensors").read_bytes(),
        lambda: weights.load(network, "weights.safetensors"),
    )


def test_trace() -> None:
    space = registry.space("darts", ops.PAPER)
    shape = space.shape
    alive = np.zeros(shape, bool)
    alive[..., 0] = True
    epochs = np.arange(2, 5)
    arrays = {"I": np.zeros((3, *shape), np.float32), "I_final": np.zeros(shape, np.float32), "alive_final": alive}
    np.savez("trace.npz", **arrays, epoch=epochs, prune_epochs=epochs[1:])
    try_out(
        Path("trace.npz"), Path("trace.npz").read_bytes(), lambda: candidates.derive_cell(space, "trace.npz", "before_last_prune")
    )


@pytest.mark.parametrize("name", ["meta.json", "train_images.npy", "test_labels.npy"])
def test_prepared_images(name: str) -> None:
    imageset.save("prepared", tiny(), "tests")
    try_out(Path("prepared", name), Path("prepared", name).read_bytes(), lambda: imageset.load("prepared"))


def test_cifar() -> None:
    """Without the md5 check, which alone would refuse every mutation."""
    base = Path("raw/cifar-10-batches-py")
    base.mkdir(parents=True)
    images = np.random.default_rng(0).integers(256, size=(2, cifar.PIXELS), dtype=np.uint8)
    for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
        base.joinpath(name).write_bytes(pickle.dumps({"data": images, "labels": [3, 4]}, protocol=3))
    base.joinpath("batches.meta").write_bytes(
        pickle.dumps({"label_names": [f"class {number}" for number in range(10)]}, protocol=3)
    )
    for name in ("data_batch_1", "batches.meta"):
        try_out(base / name, (base / name).read_bytes(), lambda: cifar.read("raw", "cifar10", check_md5=False))


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_pictures(suffix: str) -> None:
    from PIL import Image

    picture = Image.fromarray(np.random.default_rng(0).integers(256, size=(12, 10, 3), dtype=np.uint8))
    for name in ("train/ant", "train/bee", "test/ant"):
        Path("raw", name).mkdir(parents=True)
        picture.save(f"raw/{name}/0.{suffix}")
    path = Path(f"raw/train/ant/0.{suffix}")
    try_out(path, path.read_bytes(), lambda: folder.read("raw", 8))


@pytest.mark.parametrize("name", ["meta.json", "manifest.csv"])
@pytest.mark.parametrize("data", ["imagenet", "cityscapes"])
def test_manifests(data: str, name: str) -> None:
    from eoinas.data import cityscapes_check, imagenet, imagenet_prepare

    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    values["demo"]["imagenet_data"].update(digits_train=1, digits_val=1)
    values["demo"]["cityscapes_data"].update(drawn_train=6, drawn_val=6, drawn_width=128, drawn_height=64)
    Path("params.yaml").write_text(yaml.dump(values, Dumper=yaml.CSafeDumper))
    settings_stage.main("demo")
    path = Path("data/prepared/demo", data)
    if data == "imagenet":
        settings = params.read_settings(imagenet.ImagenetDataParams, "demo", "imagenet_data")
        imagenet_prepare.prepare(path, settings)
        load = lambda: imagenet.check_files(imagenet.load(path, settings))  # noqa: E731
    else:
        settings = params.read_settings(cityscapes.CityscapesDataParams, "demo", "cityscapes_data")
        cityscapes_check.prepare(settings, path)
        load = lambda: cityscapes.load(path, settings).description  # noqa: E731
    try_out(path / name, (path / name).read_bytes(), load)
    if name == "manifest.csv":  # someone edits it and brings the hash beside it up to date
        key = {"imagenet": "sha256", "cityscapes": "listing_sha256"}[data]
        meta = json.loads((path / "meta.json").read_text())

        def rehash() -> None:
            (path / "meta.json").write_text(json.dumps(meta | {key: files.sha256(path / name)}))
            load()

        try_out(path / name, (path / name).read_bytes(), rehash)


def scene() -> cityscapes.Pair:
    """A street scene below the folder raw."""
    from eoinas.data import streets

    streets.write(Path("raw"), {"train": 1}, 64, 32, 0)
    image = "leftImg8bit/train/drawn/drawn_000000_000000_leftImg8bit.png"
    label = image.replace("leftImg8bit/", "gtFine/").replace("leftImg8bit", "gtFine_labelIds")
    return cityscapes.Pair("train", image, label, 64, 32, 0, 0)


@pytest.mark.parametrize("half", ["image", "label"])
def test_scenes(half: str) -> None:
    pair = scene()
    path = Path("raw", getattr(pair, half))
    read = {"image": cityscapes.image, "label": cityscapes.labels}[half]
    try_out(path, path.read_bytes(), lambda: read(Path("raw"), pair))


def test_decoded_scenes() -> None:
    from eoinas.data import scene_cache

    pair = scene()

    def read() -> object:
        return scene_cache.cut(Path("raw"), pair, Path("cache"), (20, 20), (3.0, 2.0, 40.5, 30.0))

    read()
    path = Path("cache", f"{pair.image}.npy")
    try_out(path, path.read_bytes(), read)


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_photographs(suffix: str) -> None:
    from PIL import Image

    from eoinas.data import imagenet, photos

    Path("raw").mkdir()
    picture = Image.fromarray(np.random.default_rng(0).integers(256, size=(40, 50, 3), dtype=np.uint8))
    path = Path(f"raw/0.{suffix}")
    picture.save(path)
    split = imagenet.Split(np.array([path.name]), np.array([1]), np.array([0]))
    read = photos.Photos(Path("raw"), split, 32, training=True)
    try_out(path, path.read_bytes(), lambda: read.sample(0, 0))


def test_backbone() -> None:
    from eoinas.models.segmentation import PooledClassifier, SegmentationNetwork, SegNetworkParams
    from eoinas.train import pretrained

    size = SegNetworkParams(C=16, cells="NRNRN", norm="batch", aspp_rates=[2], width=16, low_width=8)
    network = SegmentationNetwork(CELL, size, 19)
    path = Path("weights.safetensors")
    weights.save(PooledClassifier(CELL, size, 3), path)
    try_out(path, path.read_bytes(), lambda: pretrained.load_backbone(network, path))


def test_json() -> None:
    formats.write_json("a.json", {"a": [1, 2.5, None], "b": {"c": "d"}})
    try_out(Path("a.json"), Path("a.json").read_bytes(), lambda: formats.read_json("a.json"))
