"""Training on batches from files, on one device or on several ranks: ImageNet (Sec. IV-D) and Cityscapes (Sec. V-C).

What differs between the tasks (network, data, loss, rate, evaluation) comes in as arguments. The steps are the same whatever the
number of ranks: the loss is the mean over the whole batch, and so are the gradient and, with ``sync_bn``, the normalisation.
"""

from collections.abc import Callable
from typing import Annotated, Protocol

import torch
from pydantic import Field
from torch import Tensor, nn

from eoinas import params, ranks
from eoinas.checkpoint import check_finite
from eoinas.ranks import Group
from eoinas.runlog import RunLog
from eoinas.train import arithmetic


class FitParams(arithmetic.ArithmeticParams):
    """What every such training needs; what each means stands beside it in params.yaml."""

    batch_size: params.Positive
    momentum: params.Fraction
    weight_decay: params.NonNegative
    grad_clip: params.NonNegative
    sync_bn: bool
    cpu_threads: Annotated[int, Field(ge=0)]


class Batches(Protocol):
    """What the loop needs of a data set; see ``data.file_batches.FileBatches``."""

    steps: int

    def get(self, epoch: int, step: int) -> tuple[Tensor, Tensor]: ...


class States(Protocol):
    """``ranks.SharedCheckpoint`` or, on one rank, ``checkpoint.Checkpoint``."""

    @property
    def last(self) -> str: ...

    def load(self) -> dict | None: ...

    def offer(self, state: Callable[[], dict]) -> None: ...


# (outputs, targets) to the sum of the losses over this rank's items, the number of items, the number of items that are right
Loss = Callable[[object, Tensor], tuple[Tensor, Tensor | int, Tensor | int]]
Evaluate = Callable[[nn.Module, int, Callable[[], None]], dict[str, float | int]]


def fit(
    network: nn.Module,
    batches: Batches,
    loss: Loss,
    rate: Callable[[int, int], float],
    iterations: int,
    settings: FitParams,
    group: Group,
    title: str,
    checkpoint: States,
    evaluate: Evaluate | None = None,
) -> RunLog:
    """Train ``network`` in place by stochastic gradient descent with momentum.

    Args:
        network: on its device, with the same weights on every rank.
        loss: an item is what the mean is taken over: an image, or a pixel that has a label.
        rate: of an epoch (from 1) and an iteration (from 0, of the whole training), the learning rate.
        iterations: steps in all; the last epoch may be cut short.
        evaluate: called on every rank after each epoch with the network, the epoch and what it is to call now and then, equally
            often on every rank, so that a signal need not wait for its end; what it returns goes to the history. It may leave
            the network in evaluation mode.

    Returns:
        The log; a row has epoch, learning_rate (of the last step), train_loss, train_accuracy and what ``evaluate`` returned.

    Raises:
        InputError: the loss is not a number.
        Stopped: a signal asked the process to end; its state is in ``checkpoint``.
    """
    device, memory = next(network.parameters()).device, arithmetic.layout(settings)
    network.to(memory_format=memory)
    forward = _on_all_ranks(network, settings, group, device)
    optimizer = torch.optim.SGD(network.parameters(), momentum=settings.momentum, weight_decay=settings.weight_decay)
    scaler = arithmetic.scaler(settings, device)
    epochs = -(-iterations // batches.steps)
    log = RunLog(title, epochs, batches.steps, shown=group.rank == 0)
    first, sums = 1, []  # of each step of the epoch: sum of losses, items, right ones, of all ranks, float64 [3]
    if saved := checkpoint.load():
        network.load_state_dict(saved["network"])
        optimizer.load_state_dict(saved["optimizer"])
        scaler.load_state_dict(saved["scaler"])
        first, sums = saved["epoch"], list(saved["sums"])
        log.restore(saved["rows"], saved["seconds"], len(sums))

    def check_losses() -> None:
        check_finite((values[0] for values in sums), f"{title}: the train", epoch, checkpoint)

    def state() -> dict:
        check_losses()
        return {
            "network": network.state_dict(),
            "optimizer": optimizer.state_dict(),
            "scaler": scaler.state_dict(),
            "epoch": epoch,
            "step": len(sums),
            "sums": [values.cpu() for values in sums],
            "rows": log.rows,
            "seconds": log.seconds,
        }

    for epoch in range(first, epochs + 1):
        network.train()
        before = (epoch - 1) * batches.steps
        for step in range(len(sums), min(batches.steps, iterations - before)):
            optimizer.param_groups[0]["lr"] = rate(epoch, before + step)
            inputs, targets = batches.get(epoch, step)
            with arithmetic.autocast(settings, device):
                total, items, right = loss(forward(inputs.contiguous(memory_format=memory)), targets)
            sums.append(group.sum(torch.stack([_double(value, device) for value in (total, items, right)])))
            # DDP takes the mean of the ranks' gradients; times the world over all items it is the gradient of the mean loss.
            mean = total * (group.world / sums[-1][1].clamp(min=1)).to(total.dtype)
            optimizer.zero_grad()
            scaler.scale(mean).backward()
            if settings.grad_clip:
                scaler.unscale_(optimizer)
                nn.utils.clip_grad_norm_(network.parameters(), settings.grad_clip)
            scaler.step(optimizer)
            scaler.update()
            log.step({"loss": sums[-1][0] / sums[-1][1], "accuracy": sums[-1][2] / sums[-1][1]})
            checkpoint.offer(state)
        check_losses()
        loss_sum, items, right = torch.stack([values.cpu() for values in sums]).sum(0).tolist()
        row = {"train_loss": loss_sum / max(items, 1), "train_accuracy": right / max(items, 1)}
        if evaluate:
            _share_buffers(network, group)
            row |= evaluate(network, epoch, lambda: checkpoint.offer(state))
        log.epoch(epoch=epoch, learning_rate=rate(epoch, min(epoch * batches.steps, iterations) - 1), **row)
        sums = []
    log.close()
    _share_buffers(network, group)
    return log


def _on_all_ranks(network: nn.Module, settings: FitParams, group: Group, device: torch.device) -> nn.Module:
    """The network as it is called in training: DDP over the ranks, compiled if asked for. It shares the network's weights."""
    forward = network
    if group.world > 1:
        if settings.sync_bn:
            ranks.synchronise_batch_norm(network, device)
        # Without sync_bn each rank normalises over its own rows, and the running statistics are rank 0's.
        forward = nn.parallel.DistributedDataParallel(network, forward_sync_buffers=not settings.sync_bn)
    return arithmetic.compiled(forward, settings)


def _share_buffers(network: nn.Module, group: Group) -> None:
    if group.world > 1:
        for buffer in network.buffers():
            torch.distributed.broadcast(buffer, 0)


def _double(value: Tensor | int, device: torch.device) -> Tensor:
    return torch.as_tensor(value, device=device).detach().double()
