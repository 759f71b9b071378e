"""A variant, an operation, a data set and a scale of one's own: what has to be touched, from the search to the tables' rows."""

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from eoinas.code import ROOT

# As a user writes them: lines of params.yaml, and an entry of a file.
VARIANT = "  reset: {slimming: true, indicator: oii, label: my variant, reset_tally_at_prune: true}\n"
OPERATION = "  conv_1x1: {label: conv 1×1, colour: '#123456'}\n"
ENTRY = """    "conv_1x1": Operation(
        lambda C, stride, norm: ReLUConvBN(C, C, 1, stride, norm.affine, norm.track_running_stats), weights=True
    ),
"""
DATA_SET = """  flowers:
    title: Flowers
    source: folder
    raw: pictures
    image_size: 16
"""
ENTRIES = """  cifar10-mine: {genotype: reset, cutout: 16}
  flowers-mine: {genotype: reset}
"""
TINY = {
    "repeats": {"searches": 1, "retrainings": 1, "per_seed": 1},
    "search": {"C": 2, "layers": 3, "batch_size": 8, "epoch_images": 8, "epochs": 9, "warmup": 1, "prune_every": 1},
    "retrain": {"C": 2, "layers": 3, "epochs": 1, "batch_size": 8, "epoch_images": 16, "eval_batch_size": 400},
    "derive": {"eval_batch_size": 360, "short": {"C": 2, "layers": 3, "epochs": 1, "batch_size": 8}},
}
STAGES = (
    *("settings mine", "data mine cifar10", "data mine flowers", "data_imagenet mine"),
    *(f"search mine cifar10 {variant} 0-3" for variant in ("baseline", "reset")),
    *(f"derive mine cifar10 {variant}" for variant in ("baseline", "reset")),
    *("random_cells mine cifar10", "select_genotype mine baseline", "select_genotype mine reset", "select_genotype mine random"),
    *("entries mine", "retrain mine cifar10-mine 0-9", "retrain mine flowers-mine 0-9"),
    *(f"retrain_seeds mine cifar10 {variant} 0-3" for variant in ("baseline", "reset", "random")),
    *(
        "complexity mine images",
        "complexity mine imagenet",
        "standalone mine cifar10 reset conv_1x1",
        "standalone mine cifar10 reset none",
    ),
    *("table_1 mine", "table_3 mine", "fig_5_9 mine", "fig_7_8 mine", "fig_retrain mine", "fig_indicator mine"),
)
COMMAND = """
import importlib, sys
for line in sys.argv[1:]:
    stage, *arguments = line.split()
    importlib.import_module(f"stages.{stage}").main(*arguments)
"""


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with all four, in which the stages ran that they concern."""
    folder = tmp_path_factory.mktemp("copy")
    for name in ("eoinas", "stages", "data/genotypes"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    text = (ROOT / "params.yaml").read_text()
    for block, lines in (("variants", VARIANT), ("operations", OPERATION), ("datasets", DATA_SET), ("entries", ENTRIES)):
        start = text.index(f"\n{block}:") + len(f"\n{block}:")
        end = text.index("\n\n", start) + 1 if block != "entries" else text.index("\nimagenet_entries:") + 1
        text = text[:end] + lines + text[end:]
    values = yaml.safe_load(text)
    # What a small machine does; the operation more is a prune more, which `search.epochs` allows for.
    values["entries"] = {name: values["entries"][name] for name in ("cifar10-mine", "flowers-mine")}
    values["variants"] = {name: values["variants"][name] for name in ("baseline", "reset")}
    values |= {"imagenet_entries": {"mine": {"genotype": "reset"}}, "main_variant": "reset"}
    demo = values["demo"]
    values["mine"] = {**demo, **{block: {**demo.get(block, {}), **numbers} for block, numbers in TINY.items()}}
    values["mine"]["seg_search"] = {**demo["seg_search"], "variant": "reset", "epochs": 22}
    values["demo"]["seg_search"]["variant"] = values["paper"]["seg_search"]["variant"] = "reset"
    (folder / "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    path = folder / "eoinas/models/ops.py"
    end = path.read_text().index("}\n", path.read_text().index("\nOPERATIONS"))
    path.write_text(path.read_text()[:end] + ENTRY + path.read_text()[end:])
    generator = np.random.default_rng(0)
    for split, count in (("train", 8), ("test", 4)):
        for number in range(3):
            place = folder / f"pictures/{split}/kind{number}"
            place.mkdir(parents=True)
            for index in range(count):
                Image.fromarray(generator.integers(256, size=(20, 18, 3), dtype=np.uint8)).save(place / f"{index}.png")
    environment = {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
    environment.pop("DVC_ROOT", None)
    command = [sys.executable, "-c", COMMAND, *STAGES]
    found = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=400)
    assert found.returncode == 0, found.stderr[-2000:]
    return folder


def test_files_touched_are_params_yaml_and_one_more(extended: Path) -> None:
    paths = [path for top in ("eoinas", "stages") for path in (ROOT / top).rglob("*.py")]
    changed = [path for path in paths if path.read_bytes() != (extended / path.relative_to(ROOT)).read_bytes()]
    assert [path.relative_to(ROOT).as_posix() for path in changed] == ["eoinas/models/ops.py"]


def rows(extended: Path, table: str) -> list[dict]:
    return list(csv.DictReader((extended / f"reports/mine/{table}.csv").read_text().splitlines()))


def test_the_variant_has_its_rows(extended: Path) -> None:
    found = [row["architecture"] for row in rows(extended, "table_1") if row.get("entry") == "mine"]
    assert found == ["my variant + CutOut", "my variant"]  # on CIFAR-10, and on the data set of one's own
    assert "| ✓ | ✓ |" in next(
        line for line in (extended / "reports/mine/table_3.md").read_text().splitlines() if "my variant" in line
    )


def test_the_data_set_has_its_column(extended: Path) -> None:
    header = next(line for line in (extended / "reports/mine/table_1.md").read_text().splitlines() if line.startswith("| Source"))
    assert "Flowers" in header
    entries = [row for row in rows(extended, "table_1") if row.get("flowers_error")]
    assert len(entries) == 1
    assert 0 <= float(entries[0]["flowers_error"]) <= 100


def test_the_operation_is_searched_and_pruned_to_the_last(extended: Path) -> None:
    with np.load(extended / "results/mine/search/reset/0-3/0/trace.npz") as trace:
        assert trace["alive"].shape[1:] == (2, 14, 9)
        assert len(trace["prune_epochs"]) == 8
        assert (trace["alive_final"].sum(-1) == 1).all()
    assert (extended / "results/mine/standalone/conv_1x1/result.json").is_file()
