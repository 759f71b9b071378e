"""Outputs are functions of parameters, inputs and code: neither locale, hash seed, place, readers nor stray files change a byte.

The same stages run in two processes, each with another setting of everything that must not matter.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from eoinas.code import ROOT
from tests import test_stages, test_stages_seg

STAGES = [
    "settings demo",
    "data demo cifar10",
    "data demo cifar100",
    "search demo cifar10 eoinas 0",
    "derive demo cifar10 eoinas",
    "select_genotype demo eoinas",
    "random_cells demo cifar10",
    "select_genotype demo random",
    "entries demo",
    "retrain demo cifar10-ours 0",
    "retrain_seeds demo cifar10 random 0",
    "standalone demo cifar10 eoinas none",
    "data_imagenet demo",
    "imagenet demo ours",
    "data_cityscapes demo",
    "seg_search demo",
    "seg_entries demo",
    "seg_train demo ours scratch",
    "seg_evaluate demo ours scratch",
    "complexity demo images",
    "complexity demo imagenet",
    "table_4 demo",
    "fig_seg_search demo",
]
STRAY = [
    "stray",
    "search/eoinas/7/7/trace.npz",
    "derive/eoinas/7/score.json",
    "derive/random/old.txt",
    "genotypes/sss.json",
    "entries/cifar10-gone.json",
    "retrain/cifar10-ours/1/result.json",
    "seg_train/ours/pretrained/weights.safetensors",
]
COMMAND = "import sys; from tests import test_stages; [test_stages.run(*line.split()) for line in sys.argv[1:]]"


def write_params(folder: Path, workers: int) -> None:
    """The small project of the stages' own tests, with so many readers."""
    test_stages.write_params(folder)
    classification = yaml.safe_load((folder / "params.yaml").read_text())
    test_stages_seg.write_params(folder)
    values = yaml.safe_load((folder / "params.yaml").read_text())
    names = ("repeats", "search", "retrain", "derive", "standalone", "imagenet_data", "datasets")
    values["demo"] |= {name: classification["demo"][name] for name in names}
    values["demo"]["repeats"].update(searches=1, retrainings=1)
    values["demo"]["standalone"]["runs"] = [0]
    values["demo"]["imagenet"].update(C=2, layers=3, epochs=1, epoch_images=8, batch_size=4, eval_batch_size=8)
    values["machine"]["demo"]["workers"] = workers
    values |= {name: classification[name] for name in ("variants", "entries", "imagenet_entries")}
    values.update(search_seeds=[0], retrain_runs=["0"])
    (folder / "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))


def outputs(folder: Path) -> dict[str, bytes]:
    """What the stages wrote, wall times excepted."""
    found = [path for top in ("results", "reports", "data") for path in (folder / top).rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found if "timing" not in path.parts}


def start(folder: Path, workers: int, environment: dict[str, str]) -> subprocess.Popen:
    folder.mkdir(exist_ok=True)
    (folder / "data").mkdir()
    (folder / "data/genotypes").symlink_to(ROOT / "data/genotypes")
    write_params(folder, workers)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LC_") and name not in ("LANG", "DVC_ROOT")}
    kept |= {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment}
    command = [sys.executable, "-c", COMMAND, *STAGES]
    return subprocess.Popen(command, cwd=folder, env=kept, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def litter(folder: Path) -> set[str]:
    """Files that earlier runs with other parameters may have left; returns their names."""
    names = {f"results/demo/{name}" for name in STRAY}
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"stray")
    return names


@pytest.fixture(scope="module")
def both(tmp_path_factory) -> tuple[dict[str, bytes], dict[str, bytes], set[str]]:
    first = tmp_path_factory.mktemp("first")
    second = tmp_path_factory.mktemp("other") / "zweiter Ordner äöü"
    second.mkdir()
    stray = litter(second)
    settings = {"PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    others = {"PYTHONHASHSEED": "1", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "TZ": "Asia/Tokyo"}
    processes = [start(first, 0, settings), start(second, 2, others)]
    for process in processes:
        out, _ = process.communicate(timeout=300)
        assert process.returncode == 0, out.decode()[-1000:]
    return outputs(first), outputs(second), stray


def test_what_must_not_matter_changes_no_byte(both) -> None:
    one, other, _ = both
    assert len(one) > 60
    for name, content in one.items():
        assert other[name] == content, name


def test_stray_files_stay_out(both) -> None:
    one, other, stray = both
    assert other.keys() - one.keys() <= stray
