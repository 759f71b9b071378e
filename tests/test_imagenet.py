"""The training on ImageNet and its stage, in one process and in two."""

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import chdir
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

from eoinas import formats, ranks, schedules
from eoinas.data import imagenet as imagenet_data
from eoinas.data import imagenet_prepare
from eoinas.genotype import parse
from eoinas.ranks import ALONE
from eoinas.settings import resolve
from eoinas.train import imagenet
from stages import data_imagenet
from stages import settings as stage_settings
from tests.test_resume import interrupted
from tests.test_search import NoCheckpoint, same

ROOT = Path(__file__).parent.parent
DEMO, PAPER = (resolve(yaml.safe_load((ROOT / "params.yaml").read_text()), scale) for scale in ("demo", "paper"))
CELL = json.loads(Path(__file__).with_name("oracle.json").read_text())["cells"]["eoinas_cifar"]["genotype"]
# Three steps an epoch, the last of three images; the paper's rates.
TINY = {
    **{"C": 2, "layers": 3, "epochs": 2, "epoch_images": 11, "batch_size": 4, "eval_batch_size": 7, "image_size": 100},
    **{"learning_rate": 0.1, "learning_rate_decay": 0.97},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> imagenet_data.Listing:
    out = tmp_path_factory.mktemp("data") / "imagenet"
    settings = {**DEMO["imagenet_data"].dumped(), "digits_train": 2, "digits_val": 1}
    imagenet_prepare.prepare(out, imagenet_data.ImagenetDataParams(**settings))
    return imagenet_data.read(out, out)


def settings(**changes: object) -> imagenet.ImagenetParams:
    return imagenet.ImagenetParams(**{**DEMO["imagenet"].dumped(), **TINY, **changes})


def train(data: imagenet_data.Listing, states=None, workers: int = 0, stream: str = "small", **changes: object):
    numbers, states = settings(**changes), states or NoCheckpoint()
    network = imagenet.build(parse(CELL, "oracle.json"), numbers, len(data.classes), stream)
    log = imagenet.train(network, numbers, data, ALONE, "small", states, numbers.auxiliary_weight, stream=stream, workers=workers)
    return network, log


@pytest.mark.parametrize(("weight", "head"), [(0.4, True), (0.0, False)])
def test_a_head_without_weight_is_not_built(weight: float, head: bool) -> None:
    network = imagenet.build(parse(CELL, "oracle.json"), settings(auxiliary_weight=weight), 10, "small")
    assert any(name.startswith("auxiliary") for name, _ in network.named_parameters()) == head


def test_the_papers_numbers() -> None:
    paper = PAPER["imagenet"]
    assert (paper.C, paper.layers, paper.epochs, paper.batch_size, paper.image_size) == (48, 14, 250, 128, 224)
    assert (paper.learning_rate, paper.learning_rate_decay, paper.momentum, paper.weight_decay) == (0.1, 0.97, 0.9, 3e-5)
    assert (paper.label_smoothing, paper.auxiliary_weight, paper.grad_clip, paper.epoch_images) == (0.1, 0.4, 5.0, 0)
    assert PAPER["imagenet_data"].classes == 1000


def test_rate_decays_by_the_epoch() -> None:
    assert [schedules.exponential(epoch, 0.1, 0.97) for epoch in (1, 2, 250)] == pytest.approx([0.1, 0.097, 0.1 * 0.97**249])


def test_history_and_summary(data) -> None:
    _, log = train(data)
    assert [row["learning_rate"] for row in log.rows] == pytest.approx([0.1, 0.097])
    for row in log.rows:
        assert (row["error_top1"], row["error_top5"]) == (row["wrong_top1"] / 10, row["wrong_top5"] / 10)
        assert 0 <= row["wrong_top5"] <= row["wrong_top1"] <= 10
    result = imagenet.summary(log, settings(), data)
    assert list(result) == ["epochs", "images", "wrong_top1", "wrong_top5", "best_wrong_top1", "best_epoch", "data"]
    assert (result["epochs"], result["images"], result["wrong_top1"]) == (2, 10, log.rows[-1]["wrong_top1"])
    assert result["data"] == {"source": "digits", "image_size": 100, "classes": 10}
    assert result["best_wrong_top1"] == min(row["wrong_top1"] for row in log.rows)


class Fixed(nn.Module):
    """Says the same of every image: class 9 first, then 8, 7, ..."""

    def __init__(self):
        super().__init__()
        self.bias = nn.Parameter(torch.arange(10.0))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, None]:
        return self.bias.expand(len(x), 10) + 0 * x.mean(), None


def test_errors_are_counted(data) -> None:
    scored = imagenet.Photos(data.folder, data.val, 64, training=False)
    for world in (1, 3):  # a rank counts its share; without others there is no sum
        groups = [type("Group", (ranks.Group,), {"sum": lambda self, x: x})(rank, world, 0) for rank in range(world)]
        numbers, device, polls = settings(eval_batch_size=3), torch.device("cpu"), []
        counts = [
            imagenet.count_wrong(
                Fixed(), scored, numbers, device, group, lambda group=group, polls=polls: polls.append(group.rank), workers=0
            )
            for group in groups
        ]
        assert tuple(map(sum, zip(*counts, strict=True))) == (9, 5)
        assert polls == [rank for rank in range(world) for _ in range(10 // world // 3)]


def test_any_network_can_be_trained_with_the_recipe(data) -> None:
    """The first loss, of two of the recipe's terms, by hand; without an auxiliary output there is one."""
    numbers, seen = settings(epochs=1, label_smoothing=0.2, auxiliary_weight=0.5), []

    class Two(Fixed):
        def forward(self, x):
            logits, _ = super().forward(x)
            seen.append(x.shape)
            return logits, (logits.flip(1) if self.training and self.two else None)

    for two in (True, False):
        network = Two()
        network.two = two
        batches = imagenet.FileBatches(
            imagenet.Photos(data.folder, data.train, 100, True), 4, 0, "imagenet", 0, torch.device("cpu"), count=11
        )
        targets = batches.get(1, 0)[1]
        logits = torch.arange(10.0).expand(len(targets), 10)
        expected = F.cross_entropy(logits, targets, label_smoothing=0.2)
        if two:
            expected = expected + 0.5 * F.cross_entropy(logits.flip(1), targets, label_smoothing=0.2)
        first = []

        class Stop(Exception):
            pass

        class Once(NoCheckpoint):
            def offer(self, state):
                first.append(state()["sums"][0])  # noqa: B023
                raise Stop

        with pytest.raises(Stop):
            imagenet.train(network, numbers, data, ALONE, "two", Once(), numbers.auxiliary_weight, stream="imagenet", workers=0)
        assert first[0][0] / first[0][1] == pytest.approx(expected.item(), rel=1e-5)
    assert set(seen) == {(4, 3, 100, 100)}


@pytest.fixture(scope="module")
def undisturbed(data):
    return train(data)


@pytest.mark.parametrize("stops", [(1,), (3,), (4,), (2, 2)])
def test_a_resumed_training_is_the_undisturbed_one_to_the_bit(data, undisturbed, stops, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    network, log = interrupted(lambda states: train(data, states), stops)
    assert same(network.state_dict(), undisturbed[0].state_dict())
    assert log.rows == undisturbed[1].rows


def test_workers_change_nothing_and_seed_and_stream_everything(data, undisturbed) -> None:
    for changes, equal in (({"workers": 2}, True), ({"seed": 1}, False), ({"stream": "other"}, False)):
        network, log = train(data, **changes)
        assert same(network.state_dict(), undisturbed[0].state_dict()) is equal
        assert (log.rows == undisturbed[1].rows) is equal


def test_streams_have_their_own_weights_order_and_crops(data, monkeypatch) -> None:
    cell, numbers, purposes = parse(CELL, "oracle.json"), settings(epochs=1), []
    one, again, other = (imagenet.build(cell, numbers, 10, stream).state_dict() for stream in ("one", "one", "other"))
    assert same(one, again)
    drawn = [name for name, value in one.items() if name.endswith("weight") and value.ndim > 1]
    assert not [name for name in drawn if torch.equal(one[name], other[name])]
    batches = imagenet.FileBatches
    monkeypatch.setattr(imagenet, "FileBatches", lambda *args: purposes.append(args[2:4]) or batches(*args))
    train(data, stream="one", epochs=1)
    assert purposes == [(numbers.seed, "one")]  # order and crops follow from these, as the tests of FileBatches show


# The stage as a process

ENTRY = "results/demo/entries/imagenet-own.json"


def project(folder: Path, **changes: object) -> None:
    """A copy of the project with a training that takes a second or two, and its data."""
    for name in ("eoinas", "stages"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    values["demo"]["imagenet"].update(**{**TINY, "learning_rate": 0.0001, "epochs": 3, **changes})
    values["demo"]["imagenet_data"].update(digits_train=2, digits_val=1)
    (folder / "params.yaml").write_text(yaml.safe_dump(values))
    formats.write_json(folder / ENTRY, {"genotype": "own", "cutout": 0, "cell": CELL})
    with chdir(folder):
        stage_settings.main("demo")
        data_imagenet.main("demo")


def start(folder: Path, processes: int = 1) -> subprocess.Popen:
    command = [sys.executable, "-m", "stages.imagenet", "demo", "own"]
    if processes > 1:
        command = ranks.launcher(processes, "stages.imagenet", ["demo", "own"])
    environment = {name: value for name, value in os.environ.items() if name != "DVC_ROOT"} | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen) -> tuple[str, str]:
    out, error = process.communicate(timeout=120)
    assert process.returncode == 0, error
    return out, error


def outputs(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "results/demo/imagenet/own").iterdir()}


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    project(folder)
    finish(start(folder))
    return folder


def test_outputs(finished) -> None:
    assert set(outputs(finished)) == {"weights.safetensors", "history.csv", "result.json"}
    assert len((finished / "results/demo/imagenet/own/history.csv").read_text().splitlines()) == 4
    assert not list((finished / ".scratch").iterdir())


@pytest.mark.skipif(sys.platform != "linux", reason="signals as on Linux")
def test_two_processes_that_were_stopped_end_as_one_that_was_not(finished, tmp_path) -> None:
    """SIGTERM goes to the launcher, as from dvc; the next run has two processes again."""
    project(tmp_path)
    process = start(tmp_path, 2)
    for line in process.stdout:
        if "epoch 1/" in line:
            process.send_signal(signal.SIGTERM)
            break
    out, error = process.communicate(timeout=120)
    assert process.returncode
    assert "epoch 3/3" not in out
    assert "demo-imagenet-own: state saved, the next run goes on from here" in error
    assert not (tmp_path / "results/demo/imagenet").exists()
    out, error = finish(start(tmp_path, 2))
    assert "epoch 1/3" not in out
    assert out.count("epoch 3/3") == 1
    assert "goes on from" in error
    one, two = (load_file(folder / "results/demo/imagenet/own/weights.safetensors") for folder in (finished, tmp_path))
    assert one.keys() == two.keys()
    # Nine steps. At the recipe's rate of 0.1 so small a network magnifies the rounding of float32 beyond any bound.
    difference = max((value.double() - two[name].double()).abs().max().item() for name, value in one.items())
    assert difference < 1e-3, difference
    before, after = (folder / "results/demo/imagenet/own/history.csv" for folder in (finished, tmp_path))
    assert before.read_text().splitlines()[0] == after.read_text().splitlines()[0]


@pytest.mark.parametrize("damage", ["gone", "corrupt", "entry"])
def test_bad_input_is_one_line(finished, tmp_path, damage) -> None:
    shutil.copytree(finished, tmp_path / "project", ignore=shutil.ignore_patterns("results"))
    folder = tmp_path / "project"
    for name in ("settings", "entries"):
        shutil.copytree(finished / "results/demo" / name, folder / "results/demo" / name)
    path = folder / "data/prepared/demo/imagenet/images/val/3/000.jpg"
    if damage == "gone":
        path.unlink()
    elif damage == "corrupt":  # of the size in the manifest
        path.write_bytes(b"nonsense".ljust(path.stat().st_size))
    else:
        (folder / ENTRY).write_text("{}")
    _, error = start(folder).communicate(timeout=60)
    assert error.count("\n") == 1, error
    name = ENTRY if damage == "entry" else "data/prepared/demo/imagenet/images/val/3/000.jpg"
    assert error.startswith(f"error: {name}: ")
    assert not (folder / "results/demo/imagenet").exists()
