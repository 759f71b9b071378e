"""The training of a derived network on one device or on several ranks: the loop of Sec. IV-C, IV-D and V-C.

What differs (network, data, loss, rate, evaluation) comes in as a ``Task``. The steps are the same whatever the number of ranks:
the loss is the mean over the whole batch, and so are the gradient and, with ``sync_bn``, the normalisation.

With ``accumulate`` a batch goes through the network in parts, and a step follows the sum of their gradients, which is that of the
mean over the whole batch. Batch normalisation then takes its statistics from a part, and updates the running ones once a part: it
is another normalisation, that of a smaller batch. Where nothing looks across images, as with group normalisation, the result is
the same to rounding; hard examples (choice D50) are those of a part too.
"""

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from eoinas import params, ranks
from eoinas.checkpoint import check_finite
from eoinas.errors import InputError
from eoinas.ranks import ALONE, Group
from eoinas.runlog import RunLog
from eoinas.train import arithmetic
from eoinas.train.probe import probe


class FitParams(arithmetic.ArithmeticParams):
    """What every such training needs; what each means stands beside it in params.yaml."""

    batch_size: params.Positive
    accumulate: params.Positive
    momentum: params.Fraction
    weight_decay: params.NonNegative
    grad_clip: params.NonNegative


class Batches(Protocol):
    """What the loop needs of a data set; see ``data.batches.TrainBatches`` and ``data.file_batches.FileBatches``."""

    steps: int
    fewest: int

    def get(self, epoch: int, step: int) -> tuple[Tensor, Tensor]: ...


class States(Protocol):
    """``ranks.SharedCheckpoint`` or, on one rank, ``checkpoint.Checkpoint``."""

    @property
    def last(self) -> str: ...

    def load(self) -> dict | None: ...

    def offer(self, state: Callable[[], dict]) -> None: ...


class Part(NamedTuple):
    """What goes through the network at once: the ``rows`` of a step's batch of so many ``images``."""

    epoch: int
    step: int
    rows: slice
    images: int


def plain_forward(network: Callable, inputs: Tensor, _part: Part) -> object:
    """The network's outputs."""
    return network(inputs)


@dataclass(frozen=True)
class Task:
    """What differs between trainings.

    Attributes:
        network: on its device, with the same weights on every rank; ``train.probe`` says what its outputs may be.
        side: of the inputs, in pixels.
        batches: of the training data.
        loss: (outputs, targets) to the sum of the losses over this rank's items, their number, and the number of those that are
            right. An item is what the mean is taken over: an image, or a pixel that has a label.
        rate: of an epoch (from 1) and an iteration (from 0, of the whole training), the learning rate.
        iterations: steps in all; the last epoch may be cut short.
        forward: (network, inputs, which part of which batch they are) to the outputs of a training step.
        evaluate: called on every rank after each epoch with the epoch and what it is to call now and then, equally often on every
            rank, so that a signal need not wait for its end; what it returns goes to the history. It may leave the network in
            evaluation mode.
        sync_bn: on several ranks, batch normalisation sees the rows of all.
    """

    network: nn.Module
    side: int
    batches: Batches
    loss: Callable[[object, Tensor], tuple[Tensor, Tensor | int, Tensor | int]]
    rate: Callable[[int, int], float]
    iterations: int
    forward: Callable[[Callable, Tensor, Part], object] = plain_forward
    evaluate: Callable[[int, Callable[[], None]], dict[str, float | int]] | None = None
    sync_bn: bool = True


def fit(task: Task, settings: FitParams, title: str, states: States, group: Group = ALONE) -> RunLog:
    """Train ``task.network`` in place by stochastic gradient descent with momentum.

    On several ranks parameters that no gradient reaches are frozen; on one they get no gradient, and stay as they are too.

    Returns:
        The log; a row has epoch, learning_rate (of the last step), train_loss, train_accuracy and what ``evaluate`` returned.

    Raises:
        InputError: the loss is not a number, or a batch is too small to be normalised.
        Stopped: a signal asked the process to end; its state is in ``states``.
    """
    network, steps = task.network, task.batches.steps
    device, memory = next(network.parameters()).device, arithmetic.layout(settings)
    network.to(memory_format=memory)
    least = _check_batches(task, settings, title, group)
    trained = _on_all_ranks(task, settings, group, device)
    epochs = -(-task.iterations // steps)
    log = RunLog(title, epochs, steps, shown=group.rank == 0)
    run = _Run(network, settings, log, title, states)

    def losses(inputs: Tensor, targets: Tensor, part: Part) -> tuple[Tensor, Tensor]:
        """Sum of a part's losses; the same, its items and those that are right, float64 [3]."""
        with arithmetic.autocast(settings, device):
            outputs = task.forward(trained, inputs[part.rows].contiguous(memory_format=memory), part)
            total, items, right = task.loss(outputs, targets[part.rows])
        return total, torch.stack([_double(value, device) for value in (total, items, right)])

    for epoch in range(run.epoch, epochs + 1):
        network.train()
        before = (epoch - 1) * steps
        for step in range(len(run.sums), min(steps, task.iterations - before)):
            inputs, targets = task.batches.get(epoch, step)
            parts = _parts(epoch, step, len(inputs), settings.accumulate, least)
            run.begin(task.rate(epoch, before + step))
            if len(parts) == 1:
                total, found = losses(inputs, targets, parts[0])
                sums = group.sum(found)
                # DDP takes the mean of the ranks' gradients; times the world over all items it is the gradient of the mean loss.
                run.backward(total * (group.world / sums[1].clamp(min=1)).to(total.dtype))
            else:
                sums = _accumulated(run, (losses(inputs, targets, part) for part in parts), targets.numel())
            run.descend()
            run.sums.append(sums)
            log.step({"loss": sums[0] / sums[1], "accuracy": sums[2] / sums[1]})
            states.offer(run.state)
        row = {"epoch": epoch, "learning_rate": task.rate(epoch, min(before + steps, task.iterations) - 1), **run.means()}
        if task.evaluate:
            _share_buffers(network, group)
            row |= task.evaluate(epoch, lambda: states.offer(run.state))
        log.epoch(**row)
        run.start(epoch + 1)
    log.close()
    _share_buffers(network, group)
    return log


class _Run:
    """All that a training consists of beside its task, and how far it is: what a checkpoint keeps."""

    def __init__(self, network: nn.Module, settings: FitParams, log: RunLog, title: str, states: States):
        self._network, self._clip, self._log, self._title, self._states = network, settings.grad_clip, log, title, states
        self._optimizer = torch.optim.SGD(network.parameters(), momentum=settings.momentum, weight_decay=settings.weight_decay)
        self._scaler = arithmetic.scaler(settings, next(network.parameters()).device)
        self.start(1)
        if saved := states.load():
            network.load_state_dict(saved["network"])
            self._optimizer.load_state_dict(saved["optimizer"])
            self._scaler.load_state_dict(saved["scaler"])
            self.epoch = saved["epoch"]
            self.sums += saved["sums"]
            log.restore(saved["rows"], saved["seconds"], len(self.sums))

    def start(self, epoch: int) -> None:
        """An epoch begins."""
        self.epoch = epoch
        self.sums: list[Tensor] = []  # of each step: sum of the losses, items, right ones, of all ranks, float64 [3]

    def begin(self, rate: float) -> None:
        """A step begins, without a gradient."""
        self._optimizer.param_groups[0]["lr"] = rate
        self._optimizer.zero_grad()

    def backward(self, loss: Tensor) -> None:
        """Add the gradient of ``loss``."""
        self._scaler.scale(loss).backward()

    def multiply(self, factor: Tensor) -> None:
        """Multiply the gradient with a number that lies on the device."""
        gradients = [parameter.grad for parameter in self._network.parameters() if parameter.grad is not None]
        torch._foreach_mul_(gradients, factor.to(gradients[0].dtype))

    def descend(self) -> None:
        """One step along the gradient."""
        if self._clip:
            self._scaler.unscale_(self._optimizer)
            nn.utils.clip_grad_norm_(self._network.parameters(), self._clip)
        self._scaler.step(self._optimizer)
        self._scaler.update()

    def state(self) -> dict:
        """For a checkpoint; raises InputError where a loss is not a number, so that all saved states are good."""
        self._check()
        return {
            "network": self._network.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "scaler": self._scaler.state_dict(),
            "epoch": self.epoch,
            "step": len(self.sums),
            "sums": [values.cpu() for values in self.sums],
            "rows": self._log.rows,
            "seconds": self._log.seconds,
        }

    def means(self) -> dict[str, float]:
        """Of the epoch's items, for the history; raises InputError where a loss is not a number."""
        self._check()
        loss, items, right = torch.stack([values.cpu() for values in self.sums]).sum(0).tolist()
        return {"train_loss": loss / max(items, 1), "train_accuracy": right / max(items, 1)}

    def _check(self) -> None:
        check_finite((values[0] for values in self.sums), f"{self._title}: the train", self.epoch, self._states)


def two_images(settings: FitParams) -> None:
    """For a section with an auxiliary head: raise ValueError where it gets one image, whose values there it cannot normalise."""
    if settings.auxiliary_weight and 1 in (settings.batch_size, settings.epoch_images):
        raise ValueError("an auxiliary head needs two images: raise batch_size or epoch_images, or set auxiliary_weight to 0")


def _parts(epoch: int, step: int, images: int, accumulate: int, least: int) -> list[Part]:
    """A batch in ``accumulate`` parts that differ by an image at most, or in fewer, so that each has ``least`` images."""
    count = max(1, min(accumulate, images // least))
    bounds = [images * number // count for number in range(count + 1)]
    return [Part(epoch, step, slice(*pair), images) for pair in itertools.pairwise(bounds)]


def _accumulated(run: _Run, losses: Iterable[tuple[Tensor, Tensor]], most: int) -> Tensor:
    """Take the gradient of the mean loss over all parts, of at ``most`` so many items; returns their sums."""
    found = []
    for total, sums in losses:
        run.backward(total / most)
        found.append(sums)
    sums = torch.stack(found).sum(0)
    run.multiply(most / sums[1].clamp(min=1))
    return sums


def _check_batches(task: Task, settings: FitParams, title: str, group: Group) -> int:
    """The fewest images that can go through the network at once."""
    if settings.accumulate > 1 and group.world > 1:
        raise InputError(f"{title}: accumulate is for one process; use one GPU, or set it to 1 and let the GPUs share the batch")
    if task.batches.fewest >= 2 and settings.accumulate == 1:
        return 1
    single = probe(task.network, task.side).single_values
    if task.batches.fewest < 2 and single:
        raise InputError(
            f"{title}: a batch of one image, or one on a process, cannot be normalised where a layer has one value of it; raise "
            "batch_size (or epoch_images) of this stage's block in params.yaml, or take larger images or no auxiliary head"
        )
    return 2 if single else 1


def _on_all_ranks(task: Task, settings: FitParams, group: Group, device: torch.device) -> Callable:
    """The network as it is called in training: DDP over the ranks, compiled if asked for. It shares the network's weights."""
    trained = task.network
    if group.world > 1:
        unused = probe(trained, task.side).unused  # DDP would wait for their gradients
        for name, parameter in trained.named_parameters():
            parameter.requires_grad_(name not in unused)
        if task.sync_bn:
            ranks.synchronise_batch_norm(trained, device)
        # Without sync_bn each rank normalises over its own rows, and the running statistics are rank 0's.
        trained = nn.parallel.DistributedDataParallel(trained, forward_sync_buffers=not task.sync_bn)
    return arithmetic.compiled(trained, settings)


def _share_buffers(network: nn.Module, group: Group) -> None:
    if group.world > 1:
        for buffer in network.buffers():
            torch.distributed.broadcast(buffer, 0)


def _double(value: Tensor | int, device: torch.device) -> Tensor:
    """On the device; a number gets there without a copy from the host, for which the host would wait."""
    if isinstance(value, Tensor):
        return value.detach().double()
    return torch.full((), value, dtype=torch.float64, device=device)
