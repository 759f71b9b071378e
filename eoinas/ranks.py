"""Several processes that train one network, one on each GPU: who this one is, how they start, what they tell each other.

A stage that uses several GPUs calls ``join`` first. With several visible GPUs it starts anew under torch's launcher; under a
launcher, also over several machines, it joins the others; else it is alone. Rank 0 alone writes and prints.
"""

import atexit
import datetime
import os
import signal
import sys
from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple

import torch
from torch import Tensor, distributed, nn

from eoinas import command
from eoinas.checkpoint import Checkpoint
from eoinas.errors import InputError

NUMBERS = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
LAUNCHED = (*NUMBERS, "MASTER_ADDR", "MASTER_PORT")  # what torch's launcher tells a process
PATIENCE = datetime.timedelta(hours=2)  # for a rank that looks through the files of a large data set


class Group(NamedTuple):
    """This process among those that train together."""

    rank: int
    world: int  # how many there are
    local_rank: int  # among those of this machine

    def sum(self, values: Tensor) -> Tensor:
        """The sum of ``values`` over all ranks, on every rank."""
        if self.world > 1:
            values = values.clone()
            distributed.all_reduce(values)
        return values

    def any(self, flag: bool) -> bool:
        """Whether ``flag`` is true on any rank."""
        return bool(self.sum(torch.tensor(int(flag))))  # on the CPU, so that no GPU is waited for

    def from_first(self, value: object) -> object:
        """What ``value`` is on rank 0."""
        if self.world == 1:
            return value
        box = [value]
        distributed.broadcast_object_list(box, device=torch.device("cpu"))
        return box[0]


ALONE = Group(0, 1, 0)


def join() -> Group:
    """This process's place; with several GPUs and no launcher it does not return but becomes the launcher.

    Raises:
        InputError: the environment has some of the variables that torch's launcher sets, and not all.
    """
    if not _launched():
        if torch.cuda.device_count() > 1:
            command = launcher(torch.cuda.device_count(), sys.modules["__main__"].__spec__.name, sys.argv[1:])
            sys.stdout.flush()
            os.execv(command[0], command)
        return ALONE
    group = Group(*(int(os.environ[name]) for name in NUMBERS))
    if torch.cuda.is_available():
        torch.cuda.set_device(group.local_rank)
    if group.world > 1:
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        distributed.init_process_group(backend, timeout=PATIENCE)
        atexit.register(distributed.destroy_process_group)
    return group


def _launched() -> bool:
    """Whether torch's launcher started this process. WORLD_SIZE alone does not say so: job systems set it too."""
    if "WORLD_SIZE" not in os.environ or not any(name in os.environ for name in LAUNCHED if name != "WORLD_SIZE"):
        return False
    advice = "start the stage by torchrun, or unset WORLD_SIZE"
    for name in LAUNCHED:
        if name not in os.environ:
            raise InputError(f"the environment has WORLD_SIZE but not {name}, which torch's launcher sets too; {advice}")
    for name in NUMBERS:
        if not os.environ[name].isdecimal():
            raise InputError(f"{name} in the environment is '{os.environ[name]:.80}', not a number; {advice}")
    return True


def launcher(processes: int, module: str, arguments: list[str]) -> list[str]:
    """The command line that runs ``python -m module arguments`` in so many processes of this machine."""
    return [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"),
        *("-m", module, *arguments),
    ]


class SharedCheckpoint:
    """A ``Checkpoint`` of all ranks: rank 0 holds the lock and writes, all get what it reads, and all stop after the same step.

    Args:
        group: the ranks.
        stage, key, minutes: as of ``Checkpoint``.
    """

    def __init__(self, group: Group, stage: str, key: str, minutes: float):
        self._group, self._stage = group, stage
        self._own = Checkpoint(stage, key, minutes) if group.rank == 0 else None

    def __enter__(self) -> "SharedCheckpoint":
        if self._own:
            self._own.__enter__()
        else:
            command.wait_for_checkpoint()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._own:
            self._own.__exit__(kind, error, trace)

    @property
    def last(self) -> str:
        """What ``Checkpoint.last`` is on rank 0."""
        return self._own.last if self._own else "see rank 0"

    def load(self) -> dict | None:
        """What rank 0's ``Checkpoint.load`` gives."""
        return self._group.from_first(self._own.load() if self._own else None)

    def offer(self, state: Callable[[], dict]) -> None:
        """``Checkpoint.offer`` on rank 0; every rank calls this after every step.

        Raises:
            Stopped: the state is saved and one of the processes was asked to stop.
        """
        stop = self._group.any(command.stopping())
        if stop and not command.stopping():
            signal.raise_signal(signal.SIGTERM)  # as the rank that got it
        # A signal that comes in between ends rank 0 alone, its state saved, and then the launcher ends the others.
        if self._own:
            self._own.offer(state)
        elif stop:
            raise command.Stopped(f"{self._stage}: rank {self._group.rank} of {self._group.world}")


class _Sum(torch.autograd.Function):
    """The sum over all ranks; the gradient of what every rank makes of it is a sum too."""

    @staticmethod
    def forward(_context: object, values: Tensor) -> Tensor:
        values = values.clone()
        distributed.all_reduce(values)
        return values

    @staticmethod
    def backward(_context: object, gradient: Tensor) -> Tensor:
        gradient = gradient.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(gradient)
        return gradient


class RankBatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation over the batches of all ranks, as nn.SyncBatchNorm, which runs on CUDA only."""

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W]; B may be 0 on a rank, and the ranks' B may differ."""
        if not self.training:
            return super().forward(x)
        shape = (1, -1, 1, 1)
        count = _Sum.apply(x.new_tensor(x.numel() / x.shape[1]))
        mean = _Sum.apply(x.sum((0, 2, 3))) / count
        centred = x - mean.view(shape)
        variance = _Sum.apply(centred.square().sum((0, 2, 3))) / count
        if self.track_running_stats:
            with torch.no_grad():
                self.num_batches_tracked += 1
                self.running_mean.lerp_(mean, self.momentum)
                self.running_var.lerp_(variance * count / (count - 1), self.momentum)
        result = centred * (variance + self.eps).rsqrt().view(shape)
        return result * self.weight.view(shape) + self.bias.view(shape) if self.affine else result


def synchronise_batch_norm(network: nn.Module, device: torch.device) -> None:
    """Have every batch normalisation of ``network`` see the whole batch; names and values of its state stay."""
    if device.type == "cuda":
        nn.SyncBatchNorm.convert_sync_batchnorm(network)
        return
    for module in network.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = RankBatchNorm2d  # the same fields, another forward
