"""Stand-alone networks: which network is trained, how often, and what is left of a killed stage."""

import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml

from eoinas import command, genotype, settings
from eoinas.errors import InputError
from eoinas.models import ops
from eoinas.models.cifar import NetworkCIFAR
from eoinas.spaces.darts import EDGES
from eoinas.train import classify, standalone
from stages import data as data_stage
from stages import settings as settings_stage
from stages import standalone as stage

ROOT = Path(__file__).parent.parent
CELL = genotype.load(ROOT / "data/genotypes/eoinas_cifar.json")
SMALL = {"C": 2, "layers": 3, "epochs": 2, "batch_size": 8, "epoch_images": 16, "eval_batch_size": 400, "runs": [0, 2], "edge": 3}


@pytest.mark.parametrize("operation", ops.PAPER)
def test_one_operation_of_the_normal_cell_is_replaced(operation):
    for edge in range(8):
        changed = standalone.with_operation(CELL, edge, operation)
        assert changed.normal[edge] == (operation, CELL.normal[edge][1])
        assert [pair for at, pair in enumerate(changed.normal) if at != edge] == [
            pair for at, pair in enumerate(CELL.normal) if at != edge
        ]
        assert (changed.reduce, changed.normal_concat) == (CELL.reduce, CELL.normal_concat)
        assert standalone.ends(changed, edge) == standalone.ends(CELL, edge) in EDGES


def test_the_zero_operation_contributes_nothing():
    network = NetworkCIFAR(standalone.with_operation(CELL, 0, "none"), 2, 3, 10, 16, auxiliary=False)
    cell = network.cells[0]
    assert type(cell.ops[0]) is type(ops.build("none", 2, 1, affine=True, pool_bn=False))
    assert not cell.ops[0](torch.ones(1, 2, 4, 4)).any()
    network(torch.zeros(2, 3, 16, 16))[0].sum().backward()


@pytest.mark.parametrize(
    ("key", "value"), [("edge", 8), ("edge", -1), ("runs", []), ("runs", [1, 1]), ("runs", ["0-2"]), ("cutout", 33)]
)
def test_a_mistake_names_its_key(key, value):
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    values["demo"]["standalone"][key] = value
    with pytest.raises(InputError, match=f"demo.standalone.{key}"):
        settings.resolve(values, "demo")


def test_numbers_of_the_paper():
    resolved = settings.resolve(yaml.safe_load((ROOT / "params.yaml").read_text()), "paper")
    alone, retrain = resolved["standalone"].dumped(), resolved["retrain/0-9"].retrain.dumped()
    assert {key: value for key, value in alone.items() if key not in ("runs", "edge", "cutout")} == retrain
    assert (len(alone["runs"]), alone["cutout"]) == (3, 16)


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    values["demo"]["standalone"].update(SMALL)
    Path("params.yaml").write_text(yaml.safe_dump(values))
    settings_stage.main("demo")
    data_stage.main("demo", "cifar10")
    genotype.save("results/demo/genotypes/eoinas.json", CELL)
    yield tmp_path
    torch.set_deterministic_debug_mode("default")


def outputs() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path("results/demo/standalone/none").iterdir()}


def test_the_stage_counts_the_errors_of_every_run(project):
    stage.main("demo", "cifar10", "eoinas", "none")
    result = json.loads(Path("results/demo/standalone/none/result.json").read_text())
    assert (result["operation"], result["edge"], result["epochs"]) == ("none", [CELL.normal[3][1], 3], 2)
    assert [run["run"] for run in result["runs"]] == [0, 2]
    assert all(0 < run["wrong"] <= run["images"] == 360 for run in result["runs"])
    assert result["data"] == {"source": "digits", "image_size": 16, "classes": 10}
    for run in result["runs"]:
        last = Path(f"results/demo/standalone/none/history-{run['run']}.csv").read_text().splitlines()[-1]
        assert float(last.split(",")[-1]) == pytest.approx(run["wrong"] / run["images"], rel=1e-5)
    assert not list(Path(".scratch").iterdir())


def test_a_killed_stage_repeats_no_finished_run(project, monkeypatch):
    stage.main("demo", "cifar10", "eoinas", "none")
    expected, trained, real = outputs(), [], classify.train
    shutil.rmtree("results/demo/standalone")

    def train(*arguments):
        trained.append(arguments[4])
        if len(trained) == 2:
            raise command.Stopped("killed")
        return real(*arguments)

    monkeypatch.setattr(classify, "train", train)
    with pytest.raises(command.Stopped):
        stage.main("demo", "cifar10", "eoinas", "none")
    assert not Path("results/demo/standalone/none").exists()
    stage.main("demo", "cifar10", "eoinas", "none")
    assert trained == [0, 2, 2]
    assert outputs() == expected
