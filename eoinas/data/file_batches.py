"""Batches of a data set that is read from files, sample by sample, by worker processes that read ahead.

Order and samples are functions of (seed, purpose, epoch, index): neither the number of workers nor that of ranks changes them.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from eoinas import seeds
from eoinas.data import augment
from eoinas.errors import InputError
from eoinas.ranks import ALONE, Group


class Dataset(Protocol):
    """What is read. ``sample`` runs in worker processes and draws nothing but what follows from its seed."""

    def __len__(self) -> int: ...

    def sample(self, index: int, seed: int) -> tuple[Tensor, Tensor]: ...


class FileBatches:
    """Shuffled batches, each shared among the ranks; which samples a batch has does not depend on how many they are.

    Attributes:
        steps: batches an epoch.
        fewest: samples that are normalised together at least.

    Args:
        dataset: what is read.
        batch_size: samples a batch, of all ranks together; the last batch of an epoch may be smaller, or one larger.
        seed, purpose: what order and samples depend on, beside the epoch.
        workers: processes that read ahead; 0: this one reads, when a batch is asked for.
        device: where the batches go.
        group: the ranks.
        count: samples an epoch, drawn without replacement; 0: all of them.
        apart: every rank normalises its rows by itself: in a last batch too one that has any has two at least.

    Raises:
        InputError: a rank has no sample of a whole batch, or one where ``apart``.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int,
        seed: int,
        purpose: str,
        workers: int,
        device: torch.device,
        group: Group = ALONE,
        count: int = 0,
        apart: bool = False,
    ):
        apart = apart and group.world > 1
        if batch_size < group.world:
            raise InputError(f"batch_size {batch_size} is smaller than the number of processes, {group.world}; use fewer GPUs")
        if apart and batch_size < 2 * group.world:
            raise InputError(
                f"batch_size {batch_size} has fewer than two images for each of {group.world} processes, and one cannot be "
                "normalised by itself; raise batch_size, use fewer GPUs or set sync_bn to true"
            )
        self._read, self._workers, self._device = _Read(dataset, seed, purpose), workers, device
        count = min(count or len(dataset), len(dataset))
        self.steps = -(-count // batch_size)
        if count > 1 and count % batch_size == 1:  # batch normalisation needs two: the last batch has one more
            self.steps -= 1
        self._plan = _Plan(len(dataset), count, batch_size, self.steps, seed, purpose, group, apart)
        self.fewest = min(self._plan.fewest(step) for step in {0, self.steps - 1})
        self._next: tuple[int, int] | None = None
        self._batches: Iterator = iter(())

    def get(self, epoch: int, step: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets of a step (from 0) of an epoch, on the device; [0, ...] where a rank has no row of a last batch.

        Raises:
            InputError: a file cannot be read.
        """
        if (epoch, step) != self._next:  # the workers start anew, for they read in order
            self._batches = _ahead(self._read, self._plan.keys(epoch, step), self._workers, self._device)
        self._next = (epoch, step + 1) if step + 1 < self.steps else (epoch + 1, 0)
        return next(self._batches)

    def rows(self, epoch: int, step: int) -> list[int]:
        """Indices of the samples that this rank gets."""
        return self._plan.rows(self._plan.order(epoch), step)


def in_order(
    dataset: Dataset, batch_size: int, workers: int, device: torch.device, group: Group = ALONE
) -> Iterator[tuple[Tensor, Tensor]]:
    """This rank's share, ``rank::world``, of all samples in order, in batches of at most ``batch_size`` on the device.

    Raises:
        InputError: a file cannot be read.
    """
    rows = list(range(group.rank, len(dataset), group.world))
    keys = [_Key(0, rows[start : start + batch_size]) for start in range(0, len(rows), batch_size)]
    return _ahead(_Read(dataset, 0, "in order"), iter(keys), workers, device)


class _Key(NamedTuple):
    """A batch to read."""

    epoch: int
    rows: list[int]


class _Plan(NamedTuple):
    """Which samples a batch has. Apart from ``FileBatches``, or the workers' keys would keep it, and so the workers, alive."""

    samples: int
    count: int
    batch: int
    steps: int
    seed: int
    purpose: str
    group: Group
    apart: bool

    def order(self, epoch: int) -> Tensor:
        return augment.order(self.samples, seeds.generator(self.seed, self.purpose, "order", epoch))[: self.count]

    def rows(self, order: Tensor, step: int) -> list[int]:
        shares = self._shares(step)
        return order[self._batch(step)][self.group.rank :: shares].tolist() if self.group.rank < shares else []

    def fewest(self, step: int) -> int:
        """Samples of a batch that are normalised together at least."""
        batch = self._batch(step)
        return (batch.stop - batch.start) // (self._shares(step) if self.apart else 1)

    def _batch(self, step: int) -> slice:
        return slice(step * self.batch, self.count if step == self.steps - 1 else (step + 1) * self.batch)

    def _shares(self, step: int) -> int:
        """How many ranks, from the first, a batch is dealt out to in turn."""
        batch = self._batch(step)
        return max(1, min(self.group.world, (batch.stop - batch.start) // 2)) if self.apart else self.group.world

    def keys(self, epoch: int, step: int) -> Iterator[_Key]:
        """Without end: while an epoch is evaluated, the workers read for the next."""
        while True:
            order = self.order(epoch)
            for each in range(step, self.steps):
                yield _Key(epoch, self.rows(order, each))
            epoch, step = epoch + 1, 0


class _Read:
    """Runs in the workers: a key to a batch, or to the error of a file."""

    def __init__(self, dataset: Dataset, seed: int, purpose: str):
        self.dataset, self.seed, self.purpose = dataset, seed, purpose

    def __getitem__(self, key: _Key) -> list[Tensor] | InputError:
        try:
            # Without rows a batch of none, of the shape that a sample has.
            samples = [self._sample(key.epoch, index) for index in key.rows or [0]]
        except InputError as error:
            return error  # raised in a worker it would come with a traceback of many lines
        return [torch.stack(part)[: len(key.rows)] for part in zip(*samples, strict=True)]

    def _sample(self, epoch: int, index: int) -> tuple[Tensor, Tensor]:
        return self.dataset.sample(index, seeds.seed_of(self.seed, self.purpose, "sample", epoch, index))


def _ahead(read: _Read, keys: Iterator[_Key], workers: int, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
    loader = DataLoader(
        read,
        batch_size=None,  # a key is a whole batch
        sampler=keys,
        num_workers=workers,
        collate_fn=_as_it_is,
        worker_init_fn=_begin_worker,
        pin_memory=device.type == "cuda",
        generator=torch.Generator(),  # else it draws from torch's global one
    )
    for batch in loader:
        if isinstance(batch, InputError):
            raise batch
        inputs, targets = (part.to(device, non_blocking=True) for part in batch)
        yield inputs, targets


def _begin_worker(_number: int) -> None:
    """A worker ends when its parent does and not before: signals that ask the stage to save its state are not for it."""
    os.setpgid(0, 0)  # Ctrl-C and launchers send them to the whole group of processes
    if sys.platform == "linux":  # at once, for it holds the stage's lock open
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def _as_it_is(batch: object) -> object:
    return batch
