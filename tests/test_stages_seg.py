"""The stages for street scenes, run one after another in a small project."""

import importlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

from eoinas import entries, genotype, ranks
from eoinas.data.cityscapes_labels import CLASSES
from eoinas.errors import InputError

ROOT = Path(__file__).parent.parent
ENTRIES = {"ours": {"genotype": "cityscapes"}, "published": {"genotype": "data/genotypes/eoinas_cityscapes.json"}}


def write_params(folder: Path) -> None:
    """params.yaml of a project that runs in seconds."""
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    demo = values["demo"]
    demo["cityscapes_data"].update(drawn_train=8, drawn_val=6, drawn_width=128, drawn_height=64)
    demo["imagenet_data"].update(digits_train=4, digits_val=1)
    demo["seg_pretrain"].update(epochs=1, image_size=32, batch_size=20)
    demo["seg_search"].update(C=2, epochs=8, warmup=1, prune_every=1)
    demo["seg_search"]["crops"].update(crop=33)
    demo["seg_network"].update(C=2, width=8, low_width=4)
    demo["seg_train"].update(iterations=4)
    demo["seg_train"]["crops"].update(crop=33)
    values["cityscapes_entries"] = ENTRIES
    (folder / "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))


def run(stage: str, *arguments: str) -> None:
    importlib.import_module(f"stages.{stage}").main(*arguments)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / "data/genotypes", folder / "data/genotypes")
    write_params(folder)
    before, root, threads = Path.cwd(), os.environ.pop("DVC_ROOT", None), torch.get_num_threads()
    os.chdir(folder)
    try:
        run("settings", "demo")
        run("data_cityscapes", "demo")
        run("seg_search", "demo")
        run("seg_entries", "demo")
        for entry in ENTRIES:
            run("seg_train", "demo", entry, "scratch")
            run("seg_evaluate", "demo", entry, "scratch")
        run("data_imagenet", "demo")
        run("seg_pretrain", "demo", "ours")
        run("seg_train", "demo", "ours", "pretrained")
        run("seg_evaluate", "demo", "ours", "pretrained")
    finally:
        os.chdir(before)
        torch.set_num_threads(threads)
        torch.set_deterministic_debug_mode("default")
        if root is not None:
            os.environ["DVC_ROOT"] = root
    return folder


@pytest.fixture
def project(finished, tmp_path, monkeypatch) -> Path:
    """A copy to spoil."""
    shutil.copytree(finished, tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.delenv("DVC_ROOT", raising=False)
    return tmp_path / "project"


def members(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_outputs_are_those_agreed_on(finished) -> None:
    results = finished / "results/demo"
    assert members(results / "seg_search") == {"supernet.safetensors", "history.csv", "trace.npz"}
    assert json.loads((results / "timing/seg_search.json").read_text()).keys() == {"days", "device"}
    assert members(results / "seg_pretrain/ours") == {"weights.safetensors", "history.csv", "result.json"}
    pretraining = json.loads((results / "seg_pretrain/ours/result.json").read_text())
    assert (pretraining["epochs"], pretraining["images"]) == (1, 10)
    for name in ("ours/scratch", "ours/pretrained", "published/scratch"):
        assert members(results / "seg_train" / name) == {"weights.safetensors", "history.csv"}
        folder = results / "seg_evaluate" / name
        assert members(folder) == {"confusion.npy", "result.json", "predictions"}
        matrix, result = np.load(folder / "confusion.npy"), json.loads((folder / "result.json").read_text())
        assert (matrix.shape, matrix.dtype) == ((19, 19), np.int64)
        assert list(result["iou"]) == list(CLASSES)
        assert (result["images"], result["iterations"], result["data"]["source"]) == (6, 4, "drawn")
        assert len(members(folder / "predictions")) == 6
    assert not list(finished.rglob("*.part"))
    assert not (finished / ".scratch").exists() or not list((finished / ".scratch").iterdir())


def test_entries_are_the_derived_cell_and_the_published_one(finished) -> None:
    results = finished / "results/demo"
    found = genotype.load(results / "seg_genotype.json")
    assert entries.load(str(results / "seg_entries/ours.json"))[0] == found
    published = genotype.load(ROOT / "data/genotypes/eoinas_cityscapes.json")
    assert entries.load(str(results / "seg_entries/published.json"))[0] == published


def test_the_two_networks_are_the_two_cells(finished) -> None:
    names = [load_file(finished / f"results/demo/seg_train/{entry}/scratch/weights.safetensors").keys() for entry in ENTRIES]
    assert names[0] != names[1]


def test_training_starts_from_the_pretrained_backbone(finished, project, monkeypatch) -> None:
    """With a rate of nearly nothing, what is trained is what was pretrained."""
    values = yaml.safe_load(Path("params.yaml").read_text())
    values["demo"]["seg_train"].update(iterations=1, learning_rate=1e-12)
    Path("params.yaml").write_text(yaml.safe_dump(values))
    run("settings", "demo")
    run("seg_train", "demo", "ours", "pretrained")
    torch.set_deterministic_debug_mode("default")
    before = load_file("results/demo/seg_pretrain/ours/weights.safetensors")
    after = load_file("results/demo/seg_train/ours/pretrained/weights.safetensors")
    names = [name for name in before if name.startswith("backbone.") and name.endswith("weight")]
    assert len(names) > 50
    for name in names:
        assert torch.allclose(before[name], after[name], atol=1e-6), name


def test_the_pretraining_must_be_there(project) -> None:
    shutil.rmtree("results/demo/seg_pretrain")
    with pytest.raises((InputError, FileNotFoundError), match=r"seg_pretrain/ours/weights\.safetensors"):
        run("seg_train", "demo", "ours", "pretrained")


def test_everything_is_the_same_bytes_again(finished, project) -> None:
    shutil.rmtree("results")
    shutil.rmtree("data/prepared")
    for stage, *arguments in (
        ("settings", "demo"),
        ("data_cityscapes", "demo"),
        ("seg_search", "demo"),
        ("seg_entries", "demo"),
        ("seg_train", "demo", "ours", "scratch"),
        ("seg_evaluate", "demo", "ours", "scratch"),
        ("data_imagenet", "demo"),
        ("seg_pretrain", "demo", "ours"),
        ("seg_train", "demo", "ours", "pretrained"),
    ):
        run(stage, *arguments)
    torch.set_deterministic_debug_mode("default")
    compared = [path for path in Path().rglob("*") if path.is_file() and "timing" not in path.parts]
    assert len(compared) > 40
    for path in compared:
        assert path.read_bytes() == (finished / path).read_bytes(), path


def complaint(stage: str, *arguments: str) -> str:
    with pytest.raises(InputError) as caught:
        run(stage, *arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_mistakes_on_the_command_line_are_named(project) -> None:
    assert complaint("seg_train", "demo", "ours", "warm") == "unknown init 'warm'; one of scratch, pretrained"
    assert "seg_entries/theirs.json: no such file" in complaint("seg_train", "demo", "theirs", "scratch")
    assert complaint("seg_search", "mini").startswith("results/mini/settings/seg_search.json: no such file")


def test_weights_of_another_network_are_named(project) -> None:
    shutil.copy("results/demo/seg_train/published/scratch/weights.safetensors", "results/demo/seg_train/ours/scratch")
    assert "ours/scratch/weights.safetensors: not the weights of this network" in complaint(
        "seg_evaluate", "demo", "ours", "scratch"
    )


def test_a_changed_picture_stops_every_stage_before_it_starts(project) -> None:
    path = next(Path("data/prepared/demo/cityscapes/gtFine/val").rglob("*.png"))
    path.write_bytes(path.read_bytes() + b"x")
    for stage, *arguments in (("seg_search",), ("seg_train", "ours", "scratch"), ("seg_evaluate", "ours", "scratch")):
        assert str(path) in complaint(stage, "demo", *arguments)


def test_a_damaged_trace_is_named(project) -> None:
    Path("results/demo/seg_search/trace.npz").write_bytes(b"nothing")
    assert "seg_search/trace.npz: not the trace of a search" in complaint("seg_entries", "demo")


def test_an_entry_that_is_no_cell_is_named(project) -> None:
    values = yaml.safe_load(Path("params.yaml").read_text())
    values["cityscapes_entries"]["ours"]["genotype"] = "eoinas"
    Path("params.yaml").write_text(yaml.safe_dump(values))
    assert "cityscapes_entries.ours.genotype: one of cityscapes, or a file in data/genotypes/" in complaint("settings", "demo")


@pytest.mark.slow
def test_two_processes_train_the_network_of_one(finished, project) -> None:
    """At a rate that lets what rounding leaves stay small: at the demo's, four iterations make hundredths of it."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    values = yaml.safe_load(Path("params.yaml").read_text())
    values["demo"]["seg_train"].update(learning_rate=1e-3)
    Path("params.yaml").write_text(yaml.safe_dump(values))
    run("settings", "demo")
    path = Path("results/demo/seg_train/ours/scratch/weights.safetensors")
    shutil.rmtree("results/demo/seg_train/ours")
    run("seg_train", "demo", "ours", "scratch")
    one = load_file(path)
    shutil.rmtree("results/demo/seg_train/ours")
    command = ranks.launcher(2, "stages.seg_train", ["demo", "ours", "scratch"])
    subprocess.run(command, check=True, env=environment, timeout=300)
    two = load_file(path)
    assert one.keys() == two.keys()
    for name, value in one.items():
        assert torch.allclose(two[name].float(), value.float(), rtol=1e-5, atol=2e-6), name
