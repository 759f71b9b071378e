import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from eoinas import checkpoint, command, devices, genotype
from eoinas.data import imageset
from eoinas.metrics import complexity
from eoinas.models.cifar import NetworkCIFAR
from eoinas.models.imagenet import NetworkImageNet
from eoinas.train import classify, search_cifar

ROOT = Path(__file__).parent.parent
SEARCH = {"C": 2, "layers": 3, "batch_size": 8, "epoch_images": 16, "epochs": 8, "warmup": 1, "prune_every": 1}
RETRAIN = {"C": 2, "layers": 3, "epochs": 2, "batch_size": 8, "epoch_images": 16, "eval_batch_size": 400}
ENTRIES = {
    "cifar10-ours": {"genotype": "eoinas", "cutout": 16},
    "cifar10-published": {"genotype": "data/genotypes/eoinas_cifar.json", "cutout": 0},
    "cifar100-random": {"genotype": "random", "cutout": 16},
}
ALONE = ("none", "sep_conv_3x3")
VARIANTS = {
    "baseline": {"slimming": False, "indicator": "beta", "label": "plain"},
    "eoinas": {"slimming": True, "indicator": "oii", "label": "EoiNAS"},
}


def write_params(folder: Path, **changes: object) -> None:
    """params.yaml of a project that runs in seconds; ``changes`` are of its top level."""
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    demo = values["demo"]
    demo["repeats"].update(searches=2, retrainings=2)
    demo["search"].update(SEARCH)
    demo["retrain"].update(RETRAIN)
    demo["derive"]["short"].update({**RETRAIN, "epochs": 1})
    demo["standalone"].update(runs=[0, 3])
    demo["imagenet_data"].update(digits_train=2, digits_val=1)
    demo["datasets"]["cifar100"].update(digits_train=200, digits_test=100)
    values.update(search_seeds=[0, "1-1"], retrain_runs=["0-1"], variants=VARIANTS, entries=ENTRIES)
    values["imagenet_entries"] = {"ours": {"genotype": "eoinas"}}
    values.update(changes)
    (folder / "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))


def change(**changes: object) -> None:
    """Set dotted keys, with two underscores for a dot, of params.yaml here, and resolve it."""
    values = yaml.safe_load(Path("params.yaml").read_text())
    for name, value in changes.items():
        *path, last = name.split("__")
        block = values
        for part in path:
            block = block[part]
        block[last] = value
    Path("params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    run("settings", "demo")


def tiny() -> imageset.ImageSet:
    """A few random images of 8 x 8 in three classes."""
    source = np.random.default_rng(0)
    splits = [(source.integers(256, size=(n, 3, 8, 8), dtype=np.uint8), np.arange(n) % 3) for n in (16, 6)]
    return imageset.build(*splits, ("ant", "bee", "cat"), "here")


def run(stage: str, *arguments: str) -> None:
    importlib.import_module(f"stages.{stage}").main(*arguments)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A project in which the whole classification half ran, once."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / "data/genotypes", folder / "data/genotypes")
    write_params(folder)
    before, root = Path.cwd(), os.environ.pop("DVC_ROOT", None)
    os.chdir(folder)
    try:
        run("settings", "demo")
        for data in ("cifar10", "cifar100"):
            run("data", "demo", data)
        for seeds in ("0", "1-1"):
            run("search", "demo", "cifar10", "eoinas", seeds)
        run("derive", "demo", "cifar10", "eoinas")
        run("random_cells", "demo", "cifar10")
        for variant in ("eoinas", "random"):
            run("select_genotype", "demo", variant)
        run("entries", "demo")
        run("data_imagenet", "demo")
        for data in ("images", "imagenet"):
            run("complexity", "demo", data)
        for operation in ALONE:
            run("standalone", "demo", "cifar10", "eoinas", operation)
        for entry in ENTRIES:
            run("retrain", "demo", entry, "0-1")
        for seeds in ("0", "1-1"):
            run("retrain_seeds", "demo", "cifar10", "eoinas", seeds)
    finally:
        os.chdir(before)
        torch.use_deterministic_algorithms(False)
        if root is not None:
            os.environ["DVC_ROOT"] = root
    return folder


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A fresh project with small params.yaml, entered."""
    write_params(tmp_path)
    shutil.copytree(ROOT / "data/genotypes", tmp_path / "data/genotypes")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    run("settings", "demo")
    return tmp_path


def read(path: Path) -> object:
    return json.loads(path.read_text())


def test_every_stage_leaves_its_outputs_and_nothing_else(finished) -> None:
    results = finished / "results/demo"
    found = {str(path.relative_to(results)) for path in results.rglob("*") if path.is_file()}
    expected = {"complexity/images.json", "complexity/imagenet.json"}
    trained = ("weights.safetensors", "history.csv", "predictions.npy", "result.json")
    selected = read(results / "selection/eoinas.json")["seed"]
    for seed, item in ((0, "0"), (1, "1-1")):
        searched = f"search/eoinas/{item}"
        expected |= {f"{searched}/{seed}/{name}" for name in ("supernet.safetensors", "history.csv", "trace.npz")}
        expected |= {f"derive/{kind}/{seed}/{name}.json" for kind in ("eoinas", "random") for name in ("genotype", "score")}
        expected |= {f"timing/{searched}/{seed}.json"}
        if seed != selected:  # the selected cell is trained as an entry
            expected |= {f"retrain_seeds/eoinas/{item}/{seed}/0/{name}" for name in trained}
    expected |= {f"{kind}/{name}.json" for kind in ("genotypes", "selection") for name in ("eoinas", "random")}
    expected |= {"entries/imagenet-ours.json"}
    expected |= {f"standalone/{each}/{name}" for each in ALONE for name in ("result.json", "history-0.csv", "history-3.csv")}
    for entry in ENTRIES:
        expected |= {f"entries/{entry}.json"}
        expected |= {f"retrain/{entry}/0-1/{run}/{name}" for run in (0, 1) for name in trained}
    assert {name for name in found if not name.startswith("settings/")} == expected
    assert list((finished / ".scratch").iterdir()) == []
    assert not list(finished.rglob("*.part"))


def test_every_search_is_trained_once(finished) -> None:
    """A seed's cell is trained in a stage of its own or, the selected one's, as an entry, from draws of its own."""
    results = finished / "results/demo"
    selected = read(results / "selection/eoinas.json")["seed"]
    other = 1 - selected
    folder = results / f"retrain_seeds/eoinas/{'0' if other == 0 else '1-1'}/{other}/0"
    assert read(folder / "result.json")["images"] == 360
    served = results / "retrain/cifar10-ours/0-1/0"
    assert (folder / "history.csv").read_bytes() != (served / "history.csv").read_bytes()


def test_the_best_seed_is_selected(finished) -> None:
    results = finished / "results/demo"
    for variant, by in (("eoinas", "supernet"), ("random", "retrain")):
        scores = {seed: read(results / f"derive/{variant}/{seed}/score.json") for seed in (0, 1)}
        chosen = read(results / f"selection/{variant}.json")
        assert chosen["scores"] == {str(seed): score["accuracy"] for seed, score in scores.items()}
        assert chosen["seed"] == max(scores, key=lambda seed: scores[seed]["accuracy"])
        assert chosen["by"] == scores[0]["by"] == by
        cell = results / f"derive/{variant}/{chosen['seed']}/genotype.json"
        assert cell.read_bytes() == (results / f"genotypes/{variant}.json").read_bytes()


def test_entries_hold_their_cells(finished) -> None:
    results = finished / "results/demo"
    assert read(results / "entries/cifar10-ours.json")["cell"] == read(results / "genotypes/eoinas.json")
    assert read(results / "entries/cifar100-random.json")["cell"] == read(results / "genotypes/random.json")
    published = read(results / "entries/cifar10-published.json")
    assert published["cell"] == read(finished / "data/genotypes/eoinas_cifar.json")
    assert published["cutout"] == 0


def test_result_counts_the_wrong_predictions(finished) -> None:
    for entry in ENTRIES:
        labels = np.load(finished / f"data/prepared/demo/images/{entry.partition('-')[0]}/test_labels.npy")
        folder = finished / f"results/demo/retrain/{entry}/0-1/1"
        result, predictions = read(folder / "result.json"), np.load(folder / "predictions.npy")
        assert (result["wrong"], result["images"], result["epochs"]) == ((predictions != labels).sum(), len(labels), 2)
        assert result["best_wrong"] <= result["wrong"]
        assert result["data"]["source"] == "digits"
        rows = (folder / "history.csv").read_text().splitlines()
        assert float(rows[-1].split(",")[-1]) == pytest.approx(result["wrong"] / len(labels), rel=1e-5)


def test_complexity_is_of_the_retrained_network(finished) -> None:
    found = {**read(finished / "results/demo/complexity/images.json"), **read(finished / "results/demo/complexity/imagenet.json")}
    expected = {"cifar10": {"ours", "published"}, "cifar100": {"random"}, "imagenet": {"ours"}}
    assert {data: set(names) for data, names in found.items()} == expected
    cell = genotype.load(finished / "data/genotypes/eoinas_cifar.json")
    size = np.load(finished / "data/prepared/demo/images/cifar10/train_images.npy").shape[-1]
    assert found["cifar10"]["published"] == complexity.of_classifier(NetworkCIFAR, cell, 2, 3, 10, size)
    large = yaml.safe_load((finished / "params.yaml").read_text())["demo"]["imagenet"]
    cell = genotype.load(finished / "results/demo/genotypes/eoinas.json")
    of_imagenet = complexity.of_classifier(NetworkImageNet, cell, large["C"], large["layers"], 10, large["image_size"])
    assert found["imagenet"]["ours"] == of_imagenet


def test_search_cost_has_days_and_device(finished) -> None:
    cost = read(finished / "results/demo/timing/search/eoinas/0/0.json")
    assert set(cost) == {"days", "device"}
    assert 0 <= cost["days"] < 0.1


def test_running_again_gives_the_same_bytes(finished, project, monkeypatch) -> None:
    for name in ("data/prepared", "results/demo/entries"):
        shutil.copytree(finished / name, project / name)
    change(retrain_runs=["0", "1"])
    monkeypatch.setattr(devices, "device", lambda _how: torch.device("cpu"))
    run("random_cells", "demo", "cifar10")
    run("retrain", "demo", "cifar10-ours", "1")  # a stage of its own gives what it gives as one of several
    for name, again in (("derive/random/1", "derive/random/1"), ("retrain/cifar10-ours/0-1/1", "retrain/cifar10-ours/1/1")):
        paths = sorted((project / "results/demo" / again).iterdir())
        assert len(paths) >= 2
        assert all(path.read_bytes() == (finished / "results/demo" / name / path.name).read_bytes() for path in paths)


def test_entries_do_not_share_their_draws(finished, project, monkeypatch) -> None:
    """Run r of one entry is independent of run r of another, as Welch's test assumes: the same cell ends otherwise."""
    for name in ("data/prepared", "results/demo/entries"):
        shutil.copytree(finished / name, project / name)
    change(entries={**ENTRIES, "cifar10-again": ENTRIES["cifar10-ours"]})
    shutil.copy("results/demo/entries/cifar10-ours.json", "results/demo/entries/cifar10-again.json")
    monkeypatch.setattr(devices, "device", lambda _how: torch.device("cpu"))
    run("retrain", "demo", "cifar10-again", "0-1")
    one, two = (folder / "retrain/{}/0-1/0/history.csv" for folder in (finished / "results/demo", Path("results/demo")))
    first = Path(str(one).format("cifar10-ours")).read_text().splitlines()[1].split(",")
    second = Path(str(two).format("cifar10-again")).read_text().splitlines()[1].split(",")
    assert first[:2] == second[:2]  # epoch, rate
    assert first[2] != second[2]  # the loss


def test_runs_that_a_killed_stage_had_finished_are_not_done_again(finished, project, monkeypatch) -> None:
    for name in ("data/prepared", "results/demo/entries"):
        shutil.copytree(finished / name, project / name)
    monkeypatch.setattr(devices, "device", lambda _how: torch.device("cpu"))
    train, started = classify.train, []

    def killed_in_the_second(*args):
        started.append(args[4])
        if len(started) == 2:
            raise KeyboardInterrupt
        return train(*args)

    monkeypatch.setattr(classify, "train", killed_in_the_second)
    with pytest.raises(KeyboardInterrupt):
        run("retrain", "demo", "cifar10-ours", "0-1")
    assert not Path("results/demo/retrain").exists()
    change(machine__demo={"workers": 1, "checkpoint_minutes": 3.0})  # it cannot change a result and loses no state
    run("retrain", "demo", "cifar10-ours", "0-1")
    assert started == [0, 1, 1]
    found = project / "results/demo/retrain/cifar10-ours/0-1"
    paths = [path.relative_to(found) for path in found.rglob("*") if path.is_file()]
    assert len(paths) == 8
    assert all((found / path).read_bytes() == (finished / found.relative_to(project) / path).read_bytes() for path in paths)
    assert list(Path(".scratch").iterdir()) == []


def test_other_images_than_the_entrys_are_refused(finished, project, refused) -> None:
    for name in ("data/prepared", "results/demo/entries"):
        shutil.copytree(finished / name, project / name)
    path = Path("data/prepared/demo/images/cifar10/train_labels.npy")
    np.save(path, np.load(path)[::-1])
    message = refused("retrain", "demo", "cifar10-ours", "0-1")
    assert message.startswith("error: results/demo/entries/cifar10-ours.json: written for other images")


def test_all_cells_are_scored_on_the_same_batches(finished, project, monkeypatch) -> None:
    change(paper__split__seed=5)
    for name in ("data/prepared", "results/demo/search"):
        shutil.copytree(finished / name, project / name)
    monkeypatch.setattr(devices, "device", lambda _how: torch.device("cpu"))
    orders = []
    monkeypatch.setattr(search_cifar, "score", lambda *arguments: orders.append(arguments[-1]) or 0.5)
    run("derive", "demo", "cifar10", "eoinas")
    assert orders == [5, 5]


def test_derive_by_a_short_training(finished, project, monkeypatch) -> None:
    change(demo__derive__by="retrain")
    for name in ("data/prepared", "results/demo/search"):
        shutil.copytree(finished / name, project / name)
    monkeypatch.setattr(devices, "device", lambda _how: torch.device("cpu"))
    run("derive", "demo", "cifar10", "eoinas")
    found = project / "results/demo/derive/eoinas/1"
    assert read(found / "score.json")["by"] == "retrain"
    assert (found / "genotype.json").read_bytes() == (finished / "results/demo/derive/eoinas/1/genotype.json").read_bytes()


# Mistakes


@pytest.fixture
def refused(monkeypatch, capsys):
    """Run a stage as the command line does; returns the one line that it ends with and sees that no output is left."""
    monkeypatch.setattr(command, "_end_with_parent", lambda: None)
    monkeypatch.setattr(signal, "signal", lambda *_: None)

    def call(stage: str, *arguments: str) -> str:
        before = {path for path in Path().rglob("*") if path.is_file()}
        monkeypatch.setattr(sys, "argv", [stage, *arguments])
        with pytest.raises(SystemExit) as caught:
            command.run(importlib.import_module(f"stages.{stage}").main)
        torch.use_deterministic_algorithms(False)
        assert isinstance(caught.value.code, str)  # Python prints it on stderr and exits with 1
        assert "\n" not in caught.value.code
        assert capsys.readouterr().err == ""
        assert {path for path in Path().rglob("*") if path.is_file()} == before
        return caught.value.code

    return call


NO_SETTINGS = "no such file: params.yaml has no such scale or item; run `dvc repro` or python -m stages.settings SCALE"


@pytest.mark.parametrize(
    ("stage", "arguments", "message"),
    [
        ("settings", ("papier",), "unknown scale 'papier'; one of paper, gpu, study, demo"),
        ("search", ("papier", "cifar10", "eoinas", "0"), f"results/papier/settings/search/eoinas/0.json: {NO_SETTINGS}"),
        ("search", ("demo", "cifar10", "eoinass", "0"), f"results/demo/settings/search/eoinass/0.json: {NO_SETTINGS}"),
        ("search", ("demo", "cifar10", "eoinas", "7"), f"results/demo/settings/search/eoinas/7.json: {NO_SETTINGS}"),
        ("derive", ("demo", "cifar10", "eoinass"), f"results/demo/settings/derive/eoinass.json: {NO_SETTINGS}"),
        ("retrain", ("demo", "cifar10-ours", "9-0"), f"results/demo/settings/retrain/9-0.json: {NO_SETTINGS}"),
        ("search", ("demo", "cifar10", "eoinas", "0"), "data/prepared/demo/images/cifar10/meta.json: no such file"),
        ("random_cells", ("demo", "cifar10"), "data/prepared/demo/images/cifar10/meta.json: no such file"),
        ("derive", ("demo", "cifar10", "eoinas"), "results/demo/search/eoinas/0/0/trace.npz: no such file"),
        ("select_genotype", ("demo", "eoinas"), "results/demo/derive/eoinas/0/score.json: no such file"),
        ("select_genotype", ("demo", "eoinass"), "results/demo/derive/eoinass/0/score.json: no such file"),
        ("retrain", ("demo", "cifar10-ours", "0-1"), "results/demo/entries/cifar10-ours.json: no such file"),
        ("retrain", ("demo", "cifar12-ours", "0-1"), "results/demo/entries/cifar12-ours.json: no such file"),
        ("retrain_seeds", ("demo", "cifar10", "eoinas", "0"), "results/demo/selection/eoinas.json: no such file"),
        ("standalone", ("demo", "cifar10", "eoinas", "none"), "results/demo/genotypes/eoinas.json: no such file"),
        ("imagenet", ("demo", "ours"), "results/demo/entries/imagenet-ours.json: no such file"),
    ],
)
def test_a_wrong_item_or_a_missing_input_is_named(project, refused, stage: str, arguments: tuple, message: str) -> None:
    assert refused(stage, *arguments).startswith(f"error: {message}")


@pytest.mark.parametrize("weight", [-0.1, float("nan"), "much", None])
def test_a_bad_lambda_is_named(project, refused, weight: object) -> None:
    write_params(project, **{"lambda": weight})
    assert refused("settings", "demo").startswith("error: params.yaml: lambda: ")


@pytest.mark.parametrize("source", ["cifar10", "folder"])
def test_a_missing_raw_folder_is_named(project, refused, source: str) -> None:
    change(demo__datasets__cifar10={"source": source, "raw": "nowhere", "download": False, "image_size": 32})
    assert "nowhere" in refused("data", "demo", "cifar10")


@pytest.mark.parametrize("check_md5", [True, False])
def test_a_truncated_cifar_file_is_named(project, refused, check_md5: bool) -> None:
    folder = project / "raw/cifar-10-batches-py"
    folder.mkdir(parents=True)
    for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch", "batches.meta"):
        (folder / name).write_bytes(b"\x80\x02}q\x01(U\x04data")
    change(demo__datasets__cifar10={"source": "cifar10", "raw": "raw", "download": False, "check_md5": check_md5})
    message = refused("data", "demo", "cifar10")
    assert message.startswith("error: raw/cifar-10-batches-py/data_batch_1: ")
    assert ("md5" in message) is check_md5


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda cell: cell["normal"].pop(), "normal must list 8 pairs"),
        (lambda cell: cell["reduce"].__setitem__(0, ["sep_conv_9x9", 0]), r"reduce[0]: unknown operation 'sep_conv_9x9'"),
        (lambda cell: cell["normal"].__setitem__(0, ["sep_conv_3x3", 2]), r"normal[0]: node 2 takes an input node from 0 to 1"),
        (lambda cell: cell.pop("reduce_concat"), "a genotype has exactly the fields"),
    ],
)
def test_a_genotype_that_does_not_fit_is_named(project, refused, spoil, message: str) -> None:
    path = Path("data/genotypes/mine.json")
    cell = read(ROOT / "data/genotypes/eoinas_cifar.json")
    spoil(cell)
    path.write_text(json.dumps(cell))
    change(entries={"cifar10-mine": {"genotype": str(path), "cutout": 0}})
    imageset.save("data/prepared/demo/images/cifar10", tiny(), "tests")
    found = refused("entries", "demo")
    assert found.startswith("error: data/genotypes/mine.json: ")
    assert message in found


def test_a_genotype_that_is_neither_searched_nor_a_file_is_named(project, refused) -> None:
    change(entries={"cifar10-mine": {"genotype": "eoinas", "cutout": 0}})
    path = Path("results/demo/settings/entries.json")  # by hand: of params.yaml the stage `settings` refuses it
    path.write_text(path.read_text().replace('"genotype": "eoinas"', '"genotype": "eoinass"', 1))
    imageset.save("data/prepared/demo/images/cifar10", tiny(), "tests")
    assert refused("entries", "demo").startswith("error: params.yaml: entries.cifar10-mine.genotype: one of baseline, eoinas, ")


def test_weights_of_another_supernet_are_refused(finished, project, refused) -> None:
    for name in ("data/prepared", "results/demo/search"):
        shutil.copytree(finished / name, project / name)
    change(demo__search__C=3)
    message = refused("derive", "demo", "cifar10", "eoinas")
    assert message.startswith("error: results/demo/search/eoinas/0/0/supernet.safetensors: not the weights of this network")


def test_two_of_the_same_stage_do_not_run_together(finished, project, refused, monkeypatch) -> None:
    shutil.copytree(finished / "data/prepared", project / "data/prepared")
    monkeypatch.setattr(checkpoint, "fingerprint", lambda *_: "a" * 64)
    with suppress(KeyboardInterrupt), checkpoint.Checkpoint("demo-search-eoinas-0", "a" * 64, 1.0):
        message = refused("search", "demo", "cifar10", "eoinas", "0")
    assert message.startswith("error: demo-search-eoinas-0: another process works on this stage")


def test_images_too_small_for_the_auxiliary_head_are_refused(finished, project, refused) -> None:
    source = "data/prepared/demo/images/cifar10"
    imageset.save(source, tiny(), "tests")
    entry = read(finished / "results/demo/entries/cifar10-ours.json")
    Path("results/demo/entries").mkdir()
    Path("results/demo/entries/cifar10-ours.json").write_text(json.dumps({**entry, "data": imageset.digest(source)}))
    assert "images of 8x8 are too small" in refused("retrain", "demo", "cifar10-ours", "0-1")


def test_a_last_batch_of_one_image_can_be_trained_on(finished, project, monkeypatch) -> None:
    monkeypatch.setattr(devices, "device", lambda _how: torch.device("cpu"))
    change(demo__retrain__epoch_images=9)  # a batch of 8 and one of 1
    for name in ("data/prepared", "results/demo/entries"):
        shutil.copytree(finished / name, project / name)
    run("retrain", "demo", "cifar10-ours", "0-1")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("settings", "papier"), "error: unknown scale 'papier'; one of paper, gpu, study, demo"),
        (("data", "demo"), "usage: python -m stages.data SCALE DATA"),
        (("select_genotype", "demo"), "usage: python -m stages.select_genotype SCALE VARIANT"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line(project, arguments: tuple, line: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", f"stages.{arguments[0]}", *arguments[1:]]
    found = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (found.returncode, found.stdout, found.stderr) == (1, "", line + "\n")
