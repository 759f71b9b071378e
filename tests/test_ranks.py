"""Two and three processes on the CPU, under torch's own launcher, against one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from eoinas import ranks
from eoinas.errors import InputError
from tests.ranks_worker import SETTINGS, build

ROOT = Path(__file__).parent.parent
BATCH = SETTINGS.batch_size
COUNT = 11  # a last batch of three


def start(
    folder: Path, processes: int, count: int = COUNT, sync_bn: str = "true", stop_at: str = "never", kind: str = "plain"
) -> subprocess.Popen:
    arguments = [str(folder / "out"), str(count), sync_bn, stop_at, kind]
    command = [sys.executable, "-m", "tests.ranks_worker", *arguments]
    if processes > 1:
        command = ranks.launcher(processes, "tests.ranks_worker", arguments)
    environment = {name: value for name, value in os.environ.items() if name != "DVC_ROOT"}
    environment |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    folder.mkdir(exist_ok=True)
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen) -> str:
    out, error = process.communicate(timeout=120)
    assert process.returncode == 0, error
    assert "Warning" not in error
    return out


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("alone")
    finish(start(folder, 1))
    return folder / "out"


@pytest.fixture(scope="module")
def together(tmp_path_factory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("together")
    out = finish(start(folder, 2))
    return folder / "out", out


def difference(one: Path, other: Path) -> float:
    first, second = (load_file(folder / "weights.safetensors") for folder in (one, other))
    assert first.keys() == second.keys()
    return max((value.double() - second[name].double()).abs().max().item() for name, value in first.items())


def rows(folder: Path, processes: int) -> list[list[list[int]]]:
    """[rank][step]: the samples."""
    return [json.loads((folder / f"rows-{rank}.json").read_text()) for rank in range(processes)]


def history(folder: Path) -> list[list[float]]:
    return [[float(value) for value in line.split(",")] for line in (folder / "history.csv").read_text().splitlines()[1:]]


def test_two_processes_train_as_one(alone, together) -> None:
    folder, out = together
    assert difference(alone, folder) < 1e-5  # twice three steps; weights and running statistics
    for one, other in zip(history(alone), history(folder), strict=True):
        assert other == pytest.approx(one, rel=1e-5)
    assert out.count("epoch 2/2") == 1  # rank 0 alone prints


def test_shards_are_disjoint_and_complete(alone, together) -> None:
    (whole,) = rows(alone, 1)
    first, second = rows(together[0], 2)
    assert [len(step) for step in whole] == [4, 4, 3] * 2
    for step, *shards in zip(whole, first, second, strict=True):
        assert [step[rank::2] for rank in (0, 1)] == shards
    for epoch in (slice(0, 3), slice(3, 6)):
        assert sorted(index for step in first[epoch] + second[epoch] for index in step) == list(range(COUNT))


@pytest.mark.slow
def test_a_rank_without_rows_in_the_last_batch(tmp_path) -> None:
    one, three = start(tmp_path / "one", 1, 10), start(tmp_path / "three", 3, 10)
    finish(one)
    finish(three)
    assert [len(shard[2]) for shard in rows(tmp_path / "three/out", 3)] == [1, 1, 0]
    assert difference(tmp_path / "one/out", tmp_path / "three/out") < 1e-5


def test_a_signal_to_one_rank_stops_all_and_the_next_run_goes_on(together, tmp_path) -> None:
    process = start(tmp_path, 2, stop_at="1")
    out, error = process.communicate(timeout=120)
    assert process.returncode
    assert "ranks: state saved, the next run goes on from here" in error
    assert "epoch 1/2" in out
    assert "epoch 2/2" not in out
    assert not (tmp_path / "out/weights.safetensors").exists()
    assert list(tmp_path.glob(".scratch/*/newest.pt"))
    assert "epoch 1/2" not in finish(start(tmp_path, 2))
    assert not list((tmp_path / ".scratch").iterdir())
    for name in ("weights.safetensors", "history.csv"):
        assert (tmp_path / "out" / name).read_bytes() == (together[0] / name).read_bytes()


def test_without_sync_bn_ranks_normalise_by_themselves(alone, tmp_path) -> None:
    finish(start(tmp_path, 2, sync_bn="false"))
    assert difference(alone, tmp_path / "out") > 1e-4
    first, second = (json.loads((tmp_path / f"out/buffers-{rank}.json").read_text()) for rank in (0, 1))
    assert first == second  # every rank evaluates and ends with the statistics of the first
    assert len(set(first[:2])) == 2


@pytest.mark.slow
def test_no_process_has_one_image_to_normalise_by_itself(tmp_path) -> None:
    """Eleven images in batches of four: the last has three, and one of two processes would get one of them."""
    one, two = start(tmp_path / "one", 1, kind="auxiliary"), start(tmp_path / "two", 2, sync_bn="false", kind="auxiliary")
    finish(one)
    finish(two)
    assert [[len(step) for step in shard] for shard in rows(tmp_path / "two/out", 2)] == [[2, 2, 3] * 2, [2, 2, 0] * 2]
    assert all(value.isfinite().all() for value in load_file(tmp_path / "two/out/weights.safetensors").values())
    assert difference(tmp_path / "one/out", tmp_path / "two/out") > 1e-4


@pytest.mark.slow
def test_a_node_that_nothing_reads_is_trained_as_in_one_process(tmp_path) -> None:
    one, two = start(tmp_path / "one", 1, kind="dead"), start(tmp_path / "two", 2, kind="dead")
    finish(one)
    finish(two)
    assert difference(tmp_path / "one/out", tmp_path / "two/out") < 1e-5
    first, trained = build("dead").state_dict(), load_file(tmp_path / "two/out/weights.safetensors")
    dead = [f"cells.0.ops.{edge}." for edge in (6, 7)]  # of the last node of a normal cell
    parameters = {name for name, _ in build("dead").named_parameters()}
    still = {name for name in parameters if torch.equal(first[name], trained[name])}
    assert still  # no weight decay either
    assert all(name.startswith(tuple(dead)) for name in still if name.startswith("cells.0."))


def test_what_a_job_system_leaves_in_the_environment(monkeypatch) -> None:
    for name in ranks.LAUNCHED:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert ranks.join() == ranks.ALONE
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(
        InputError, match=r"^the environment has WORLD_SIZE but not LOCAL_RANK, which torch's launcher sets too; "
    ):
        ranks.join()
    monkeypatch.setenv("LOCAL_RANK", "0")
    with pytest.raises(InputError, match="not MASTER_ADDR"):
        ranks.join()
    monkeypatch.setenv("MASTER_ADDR", "localhost")
    monkeypatch.setenv("MASTER_PORT", "29500")
    monkeypatch.setenv("WORLD_SIZE", "two")
    with pytest.raises(InputError, match=r"^WORLD_SIZE in the environment is 'two', not a number; start the stage by torchrun"):
        ranks.join()
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert ranks.join() == ranks.Group(0, 1, 0)


def test_launcher_starts_the_same_stage_on_each_gpu(monkeypatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert ranks.join() == ranks.ALONE
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(sys, "argv", ["stages/imagenet.py", "paper", "eoinas"])
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", type("Spec", (), {"name": "stages.imagenet"}))
    called = []
    monkeypatch.setattr(os, "execv", lambda *args: called.append(args))
    ranks.join()
    ((program, command),) = called
    assert program == sys.executable
    expected = "-m torch.distributed.run --standalone --nproc-per-node=4 -m stages.imagenet paper eoinas"
    assert command == [sys.executable, *expected.split()]


def test_batch_norm_of_one_process_is_torchs() -> None:
    torch.manual_seed(0)
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="0")
    store = torch.distributed.HashStore()
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        own, torchs = (torch.nn.Sequential(torch.nn.BatchNorm2d(3)).double() for _ in range(2))
        ranks.synchronise_batch_norm(own, torch.device("cpu"))
        inputs = [torch.randn(4, 3, 5, 5, dtype=torch.float64, requires_grad=True) for _ in range(2)]
        inputs[1].data = inputs[0].data.clone()
        for network, x in zip((own, torchs), inputs, strict=True):
            (network(x) * torch.arange(25.0).view(5, 5)).sum().square().backward()
        assert torch.allclose(inputs[0].grad, inputs[1].grad)
        for name, value in torchs.state_dict().items():
            assert torch.allclose(own.state_dict()[name], value), name
        for one, other in zip(own.parameters(), torchs.parameters(), strict=True):
            assert torch.allclose(one.grad, other.grad)
        assert torch.equal(own.eval()(inputs[0]), own(inputs[0]))
    finally:
        torch.distributed.destroy_process_group()
