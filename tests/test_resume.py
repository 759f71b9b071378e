import os
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from eoinas import checkpoint, command, seeds
from eoinas.data import batches as batch_source
from eoinas.data import images as image_data
from eoinas.data import imageset
from eoinas.errors import InputError
from eoinas.train import classify
from stages import settings
from tests import test_search as small

ROOT = Path(__file__).parent.parent
EVERY_STEP = 1e-9  # minutes


class Killed(Exception):
    """What a test raises instead of a kill."""


class Dying(checkpoint.Checkpoint):
    """Saves after every step and dies right after the step ``last``."""

    def __init__(self, last: int | None):
        super().__init__("small", "a" * 64, EVERY_STEP)
        self._left = last

    def offer(self, state) -> None:
        super().offer(state)
        if self._left is not None:
            self._left -= 1
            if self._left == 0:
                raise Killed


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)


def interrupted(work, stops: tuple[int, ...]):
    """What ``work(states)`` gives after it was killed after ``stops[0]`` steps, again ``stops[1]`` later, and so on."""
    for last in stops:
        with pytest.raises(Killed), Dying(last) as states:
            work(states)
        torch.rand(3)  # a new process has another global generator
    with Dying(None) as states:
        return work(states)


def later(stops: tuple[int, ...]):
    """A case for `make test-slow`."""
    return pytest.param(stops, marks=pytest.mark.slow)


SEARCH = {"epochs": 5, "warmup": 1, "skip_dropout": 0.2, "redraw": True, "channels_last": True}  # prunes after epochs 2 to 5


def searched(states) -> tuple:
    return small.run(states=states, **SEARCH)


@pytest.fixture(scope="module")
def undisturbed() -> tuple:
    return searched(small.NoCheckpoint())


# Two steps an epoch: 1 in the warm-up, 2 its end, 3 mid-epoch, 4 the last step before the first prune, 5 the first after it.
@pytest.mark.parametrize("stops", [(1,), (3,), (5,), (4, 1, 5), *map(later, [(2,), (4,), (10,), (1, 1, 1)])])
def test_a_resumed_search_is_the_undisturbed_one_to_the_bit(undisturbed, stops: tuple[int, ...]) -> None:
    weights, result = interrupted(searched, stops)
    assert small.same(weights, undisturbed[0])
    assert small.same(result.trace, undisturbed[1].trace)
    assert result.log.rows == undisturbed[1].log.rows
    assert not list(Path(".scratch").iterdir())


def test_a_search_resumed_from_the_older_state_is_the_same(undisturbed) -> None:
    with pytest.raises(Killed), Dying(5) as states:
        searched(states)
    (newest,) = Path(".scratch").glob("*/newest.pt")
    newest.write_bytes(newest.read_bytes()[:-100])
    with Dying(None) as states:
        weights, result = searched(states)
    assert small.same(weights, undisturbed[0])
    assert small.same(result.trace, undisturbed[1].trace)


def test_a_finished_part_is_not_run_again(monkeypatch) -> None:
    steps = []
    weight_step = small.search.weight_step
    monkeypatch.setattr(small.search, "weight_step", lambda *args: steps.append(args[3:5]) or weight_step(*args))
    interrupted(searched, (3, 2))
    assert steps == [(epoch, step) for epoch in range(1, 6) for step in range(2)]


def test_seconds_of_killed_runs_count() -> None:
    with pytest.raises(Killed), Dying(4) as states:
        searched(states)
    with Dying(None) as states:
        spent = states.load()["seconds"]
        assert searched(states)[1].log.seconds > spent > 0


# Training


RETRAIN = classify.RetrainParams(
    **{**small.PAPER["retrain"], "C": 2, "layers": 3, "epochs": 3, "batch_size": 6, "learning_rate": 0.05}
)
CELL = small.SPACE.random(torch.Generator().manual_seed(0))


def trained(states, **changes: object) -> classify.Result:
    images = image_data.standard_split(small.data(size=16), torch.device("cpu"))
    return classify.train(CELL, images, RETRAIN.model_copy(update=changes), 8, 0, "small", "small", states)


@pytest.fixture(scope="module")
def undisturbed_training() -> classify.Result:
    return trained(small.NoCheckpoint())


# Three steps an epoch: 1 and 2 in the first, 3 at its end, before the evaluation, 4 after it, 9 at the very end.
@pytest.mark.parametrize("stops", [(1,), (4,), (3, 3), *map(later, [(2,), (3,), (9,), (1, 1, 1, 1)])])
def test_a_resumed_training_is_the_undisturbed_one_to_the_bit(undisturbed_training, stops: tuple[int, ...]) -> None:
    found = interrupted(trained, stops)
    assert small.same(found.network.state_dict(), undisturbed_training.network.state_dict())
    assert torch.equal(found.predictions, undisturbed_training.predictions)
    assert found.wrong == undisturbed_training.wrong
    assert found.log.rows == undisturbed_training.log.rows


@pytest.mark.parametrize("changes", [{"precision": "bf16"}, pytest.param({"compile": True}, marks=pytest.mark.slow)])
def test_precision_and_compilation_change_rounding_alone(undisturbed_training, changes: dict, monkeypatch) -> None:
    compiled, compiler = [], torch.compile

    def without_generated_code(forward):  # which would need a C++ compiler
        compiled.append(forward)
        return compiler(forward, backend="aot_eager")

    monkeypatch.setattr(torch, "compile", without_generated_code)
    found, full = (
        result.log.rows[0]["train_loss"] for result in (trained(small.NoCheckpoint(), **changes), undisturbed_training)
    )
    assert found == pytest.approx(full, rel=0.02 if "precision" in changes else 1e-4)
    assert (found != full) if "precision" in changes else compiled


def test_a_training_in_lower_precision_resumes_to_the_bit() -> None:
    whole, found = trained(small.NoCheckpoint(), precision="bf16"), interrupted(partial(trained, precision="bf16"), (2, 2))
    assert small.same(found.network.state_dict(), whole.network.state_dict())


@pytest.mark.parametrize("after", [1, 2])
def test_a_signal_in_an_evaluation_need_not_wait_for_its_end(undisturbed_training, after: int, monkeypatch) -> None:
    plain, batches = batch_source.plain, []

    def signalled(*arguments):
        for batch in plain(*arguments):
            batches.append(1)
            if len(batches) == after:
                monkeypatch.setattr(command, "_signals", [signal.SIGTERM])
            yield batch

    changes = {"eval_batch_size": 2}  # six test images
    monkeypatch.setattr(batch_source, "plain", signalled)
    with pytest.raises(command.Stopped, match="state saved"), checkpoint.Checkpoint("small", "a" * 64, 60.0) as states:
        trained(states, **changes)
    assert len(batches) == after
    monkeypatch.setattr(command, "_signals", [])
    with Dying(None) as states:
        found = trained(states, **changes)
    assert small.same(found.network.state_dict(), undisturbed_training.network.state_dict())
    assert found.wrong == undisturbed_training.wrong


@pytest.mark.parametrize(("minutes", "last"), [(60.0, "none yet, the run starts over"), (EVERY_STEP, r"epoch 2, step 1 \(.+\)")])
def test_a_loss_that_is_no_number_names_the_last_good_state_and_is_never_saved(minutes, last, monkeypatch) -> None:
    entropy, calls = torch.nn.functional.cross_entropy, []

    def spoiled(logits: torch.Tensor, targets: torch.Tensor, **keywords: object) -> torch.Tensor:
        calls.append(1)
        return entropy(logits, targets, **keywords) * (torch.inf if len(calls) == bad else 1)

    bad = 2 * 3 + 1 + 2 + 1  # two losses a step, three steps and an evaluation, a step of the second epoch: its second step
    monkeypatch.setattr(torch.nn.functional, "cross_entropy", spoiled)
    message = rf"^small: the train loss is not finite in epoch 2, step 2; last good state: {last}; lower learning_rate"
    with pytest.raises(InputError, match=message), checkpoint.Checkpoint("small", "a" * 64, minutes) as states:
        trained(states)
    monkeypatch.setattr(torch.nn.functional, "cross_entropy", entropy)
    with Dying(None) as states:  # what is there to go on from is good
        assert all(np.isfinite(row["train_loss"]) for row in trained(states).log.rows)


def test_a_test_loss_that_is_no_number_is_named_too(monkeypatch) -> None:
    predict = classify.predict
    monkeypatch.setattr(classify, "predict", lambda *arguments: (predict(*arguments)[0], float("nan")))
    with pytest.raises(InputError, match=r"^small: the test loss is not finite in epoch 1, "):
        trained(small.NoCheckpoint())


def test_training_follows_its_seed(undisturbed_training) -> None:
    images = image_data.standard_split(small.data(size=16), torch.device("cpu"))
    for seed, equal in ((0, True), (1, False)):
        found = classify.train(CELL, images, RETRAIN, 8, seed, "small", "small", small.NoCheckpoint())
        assert small.same(found.network.state_dict(), undisturbed_training.network.state_dict()) is equal


def test_two_streams_differ_in_every_draw_and_the_same_has_the_same_bytes(monkeypatch) -> None:
    """Runs of one number of two entries are independent, as a test of their difference takes them to be."""
    images = image_data.standard_split(small.data(size=16), torch.device("cpu"))

    def draws(stream: str) -> tuple[dict, dict[tuple, torch.Tensor]]:
        """The trained weights; and the first numbers of every generator, by its purpose, and the first weights."""
        found: dict[tuple, torch.Tensor] = {}
        fresh, begin = seeds.generator, torch.manual_seed

        def generator(seed: int, *purpose: str | int) -> torch.Generator:
            assert purpose[0] == stream
            found[purpose[1:]] = torch.rand(4, generator=fresh(seed, *purpose))
            return fresh(seed, *purpose)

        with monkeypatch.context() as patch:
            patch.setattr(seeds, "generator", generator)
            patch.setattr(torch, "manual_seed", lambda seed: found.update({("init",): torch.tensor(seed)}) or begin(seed))
            trained = classify.train(CELL, images, RETRAIN, 8, 0, stream, "small", small.NoCheckpoint())
        return trained.network.state_dict(), found

    (one, first), (again, repeated), (other, second) = draws("cifar10/one"), draws("cifar10/one"), draws("cifar10/other")
    assert small.same(one, again)
    assert small.same(first, repeated)
    assert {purpose[0] for purpose in first} == {"init", "order", "augment", "drop path"}
    assert first.keys() == second.keys()
    assert not [purpose for purpose, values in first.items() if torch.equal(values, second[purpose])]
    assert not small.same(one, other)


def test_the_auxiliary_loss_counts_with_its_weight() -> None:
    def first_loss(weight: float) -> float:
        images = image_data.standard_split(small.data(size=16), torch.device("cpu"))
        settings = RETRAIN.model_copy(update={"auxiliary_weight": weight, "epochs": 1, "batch_size": 16})
        return classify.train(CELL, images, settings, 0, 0, "small", "small", small.NoCheckpoint()).log.rows[0]["train_loss"]

    without, half, whole = first_loss(1e-12), first_loss(0.5), first_loss(1.0)
    assert half - without == pytest.approx(whole - half, rel=1e-4)
    assert half - without > 0.1


# The stage as a process


def project(folder: Path) -> None:
    """A copy of the project with a search that takes a few seconds, and its data."""
    for name in ("eoinas", "stages"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    values["demo"]["search"].update(C=2, batch_size=4, epoch_images=16, epochs=9, warmup=2, prune_every=1, channels_last=False)
    values["demo"]["repeats"]["searches"] = 1
    (folder / "params.yaml").write_text(yaml.safe_dump(values))
    imageset.save(folder / "data/prepared/demo/images/tests", small.data(train=160), "tests")
    settings.main("demo")  # of params.yaml where this process is


def start(folder: Path) -> subprocess.Popen:
    environment = {name: value for name, value in os.environ.items() if name != "DVC_ROOT"} | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "stages.search", "demo", "tests", "eoinas", "0-3"]
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


FOUND = "results/demo/search/eoinas/0-3"


def outputs(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / FOUND / "0").iterdir()}


@pytest.mark.skipif(sys.platform != "linux", reason="signals as on Linux")
def test_a_search_that_got_sigterm_goes_on_and_ends_in_the_same_bytes(tmp_path) -> None:
    project(tmp_path)
    process = start(tmp_path)
    for line in process.stdout:
        if "epoch 4/" in line:
            process.send_signal(signal.SIGTERM)
            break
    out, error = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM == 143, error
    assert error == "stopped: demo-search-eoinas-0-3: state saved, the next run goes on from here\n"
    assert "epoch 9/" not in out
    assert not (tmp_path / FOUND).exists()
    resumed = start(tmp_path)
    out, error = resumed.communicate(timeout=60)
    assert resumed.returncode == 0, error
    assert "goes on from " in error
    assert "epoch 3/9" not in out
    assert list((tmp_path / ".scratch").iterdir()) == []
    found = outputs(tmp_path)
    assert set(found) == {"supernet.safetensors", "history.csv", "trace.npz"}
    shutil.rmtree(tmp_path / FOUND)
    undisturbed = start(tmp_path)
    out, error = undisturbed.communicate(timeout=60)
    assert (undisturbed.returncode, error) == (0, ""), error
    assert found == outputs(tmp_path)
    with np.load(tmp_path / FOUND / "0/trace.npz") as trace:
        assert (trace["alive_final"].sum(-1) == 1).all()
