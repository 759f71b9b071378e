import multiprocessing
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from eoinas import seeds
from eoinas.data.file_batches import FileBatches, in_order
from eoinas.errors import InputError
from eoinas.ranks import ALONE, Group

CPU = torch.device("cpu")
ROOT = Path(__file__).parent.parent


class Numbers:
    """Sample i is (i, its seed)."""

    def __init__(self, count: int = 10, bad: int | None = None):
        self._count, self._bad = count, bad

    def __len__(self) -> int:
        return self._count

    def sample(self, index: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        if index == self._bad:
            raise InputError(f"{index}.jpg: not a readable image")
        return torch.tensor([index]), torch.tensor(seed)


def batches(count: int = 10, workers: int = 0, group: Group = ALONE, **changes) -> FileBatches:
    return FileBatches(Numbers(count, **changes), 4, 7, "train", workers, CPU, group)


def epoch(source: FileBatches, number: int) -> list[list[tuple[int, int]]]:
    """(index, seed) of every sample of every batch."""
    found = []
    for step in range(source.steps):
        inputs, targets = source.get(number, step)
        assert inputs.shape == (len(targets), 1)
        found.append(list(zip(inputs[:, 0].tolist(), targets.tolist(), strict=True)))
    return found


@pytest.mark.parametrize(("count", "sizes"), [(10, [4, 4, 2]), (8, [4, 4]), (9, [4, 5]), (1, [1]), (5, [5]), (3, [3])])
def test_an_epoch_has_every_sample_once(count, sizes) -> None:
    found = epoch(batches(count), 1)
    assert [len(batch) for batch in found] == sizes
    assert sorted(index for batch in found for index, _ in batch) == list(range(count))


def test_order_and_seeds_follow_from_seed_purpose_and_epoch() -> None:
    order = torch.randperm(10, generator=seeds.generator(7, "train", "order", 2)).tolist()
    expected = [(index, seeds.seed_of(7, "train", "sample", 2, index)) for index in order]
    source = batches()
    assert [pair for batch in epoch(source, 2) for pair in batch] == expected
    assert epoch(source, 3) != epoch(source, 2)


def test_workers_change_nothing() -> None:
    alone, two = batches(), batches(workers=2)
    for number in (1, 2):
        assert epoch(alone, number) == epoch(two, number)


@pytest.mark.parametrize("workers", [0, 1])
def test_any_step_can_be_asked_for(workers) -> None:
    whole = {number: epoch(batches(), number) for number in (1, 2)}
    source = batches(workers=workers)
    for number, step in ((2, 1), (2, 2), (1, 0), (1, 2), (2, 0), (2, 0)):
        inputs, targets = source.get(number, step)
        assert list(zip(inputs[:, 0].tolist(), targets.tolist(), strict=True)) == whole[number][step]


def test_sequential_reading_starts_the_workers_once(monkeypatch) -> None:
    from eoinas.data import file_batches

    starts, ahead = [], file_batches._ahead
    monkeypatch.setattr(file_batches, "_ahead", lambda *args: starts.append(1) or ahead(*args))
    source = batches()
    for number in (1, 2, 3):
        epoch(source, number)
    assert len(starts) == 1


def test_workers_go_with_their_batches() -> None:
    source = batches(workers=2)
    source.get(1, 0)
    assert len(multiprocessing.active_children()) == 2
    source.get(1, 0)  # anew
    assert len(multiprocessing.active_children()) == 2
    del source  # at once, without the garbage collector
    assert not multiprocessing.active_children()


def test_the_global_generator_is_left_alone() -> None:
    state = torch.get_rng_state()
    epoch(batches(workers=1), 1)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("world", [2, 3, 4])
def test_ranks_share_each_batch(world) -> None:
    whole = epoch(batches(), 1)
    shards = [epoch(batches(group=Group(rank, world, rank)), 1) for rank in range(world)]
    for step, batch in enumerate(whole):
        assert [shard[step] for shard in shards] == [batch[rank::world] for rank in range(world)]


def shares(count: int, batch: int, world: int, apart: bool = True) -> list[list[list[int]]]:
    """[step][rank]: the samples of the first epoch; nothing is read."""
    ranks = [
        FileBatches(Numbers(count), batch, 7, "train", 0, CPU, Group(rank, world, rank), apart=apart) for rank in range(world)
    ]
    return [[rank.rows(1, step) for rank in ranks] for step in (0, ranks[0].steps - 1)]


@pytest.mark.parametrize("world", [2, 3, 4])
@pytest.mark.parametrize("count", range(2, 34))
def test_where_ranks_normalise_apart_none_has_a_single_row(count: int, world: int) -> None:
    alone = FileBatches(Numbers(count), 8, 7, "train", 0, CPU)
    for step, rows in zip((0, alone.steps - 1), shares(count, 8, world), strict=True):
        assert 1 not in map(len, rows)
        assert sorted(index for rank in rows for index in rank) == sorted(alone.rows(1, step))  # the batch is that of one process
    source = FileBatches(Numbers(count), 8, 7, "train", 0, CPU, Group(0, world, 0), apart=True)
    assert source.fewest == min(len(rank) for rows in shares(count, 8, world) for rank in rows if rank)


def test_the_last_batch_of_imagenet_on_eight_ranks() -> None:
    """1,281,167 = 128 * 10,009 + 15 images."""
    first, last = shares(1_281_167, 128, 8)
    assert [len(rows) for rows in first] == [16] * 8
    assert [len(rows) for rows in last] == [3, 2, 2, 2, 2, 2, 2, 0]
    together = shares(1_281_167, 128, 8, apart=False)[1]
    assert [len(rows) for rows in together] == [2] * 7 + [1]


@pytest.mark.parametrize(
    ("count", "batch", "world", "apart", "fewest"),
    [
        (1, 4, 1, False, 1),
        (9, 4, 1, False, 4),
        (10, 4, 1, False, 2),
        (5, 1, 1, False, 1),
        (10, 4, 4, False, 2),
        (10, 4, 2, True, 2),
    ],
)
def test_fewest_samples_that_are_normalised_together(count: int, batch: int, world: int, apart: bool, fewest: int) -> None:
    assert FileBatches(Numbers(count), batch, 7, "train", 0, CPU, Group(0, world, 0), apart=apart).fewest == fewest


def test_a_rank_without_rows_gets_none_of_the_right_shape() -> None:
    inputs, targets = batches(group=Group(3, 4, 3)).get(1, 2)
    assert (inputs.shape, inputs.dtype, targets.shape) == ((0, 1), torch.int64, (0,))


def test_more_ranks_than_rows() -> None:
    with pytest.raises(InputError, match="batch_size 4 is smaller than the number of processes, 5"):
        batches(group=Group(0, 5, 0))
    with pytest.raises(
        InputError, match=r"batch_size 4 has fewer than two images for each of 3 processes, .* set sync_bn to true"
    ):
        FileBatches(Numbers(10), 4, 7, "train", 0, CPU, Group(0, 3, 0), apart=True)


def test_count_limits_an_epoch() -> None:
    source = FileBatches(Numbers(10), 4, 7, "train", 0, CPU, count=6)
    first, second = ([index for batch in epoch(source, number) for index, _ in batch] for number in (1, 2))
    assert len(set(first)) == len(set(second)) == 6
    assert set(first) != set(second)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_bad_file_is_one_line(workers) -> None:
    with pytest.raises(InputError) as caught:
        epoch(batches(workers=workers, bad=3), 1)
    assert str(caught.value) == "3.jpg: not a readable image"


@pytest.mark.skipif(sys.platform != "linux", reason="signals as on Linux")
def test_workers_outlive_signals_and_die_with_their_parent(tmp_path) -> None:
    code = """
import os, signal
from tests.test_file_batches import batches, epoch
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda *_: None)
source = batches(workers=2)
epoch(source, 1)
workers = [process.pid for process in __import__("multiprocessing").active_children()]
for number in (signal.SIGTERM, signal.SIGINT):
    os.killpg(0, number)
epoch(source, 2)
print(*workers, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, start_new_session=True, stdout=subprocess.PIPE, text=True, timeout=60
    )
    pids = [int(pid) for pid in done.stdout.split()]
    assert len(pids) == 2
    assert done.returncode == -signal.SIGKILL
    end = time.monotonic() + 2  # torch's own watchdog takes five seconds
    while time.monotonic() < end and any(alive(pid) for pid in pids):
        time.sleep(0.05)
    assert not [pid for pid in pids if alive(pid)]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("workers", [0, 1])
def test_in_order(workers) -> None:
    def indices(group: Group) -> list[list[int]]:
        return [inputs[:, 0].tolist() for inputs, _ in in_order(Numbers(7), 3, workers, CPU, group)]

    assert indices(Group(0, 1, 0)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert indices(Group(1, 2, 1)) == [[1, 3, 5]]
    assert [index for rank in range(9) for batch in indices(Group(rank, 9, rank)) for index in batch] == list(range(7))
