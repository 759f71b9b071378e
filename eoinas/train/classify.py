"""Training of a derived network on images from scratch: CIFAR-10/100 (Sec. IV-C), and the short retraining of choice A12.

Shapes: B images, K classes, L cells, T test images.
"""

from typing import Annotated, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from eoinas import optim, params, schedules, seeds
from eoinas.checkpoint import Checkpoint, check_finite
from eoinas.data.batches import TrainBatches
from eoinas.data.images import Images
from eoinas.genotype import NODES, Genotype
from eoinas.models.cifar import NetworkCIFAR
from eoinas.runlog import RunLog
from eoinas.train import arithmetic
from eoinas.train.predict import predict


class RetrainParams(arithmetic.ArithmeticParams):
    """Numbers of Sec. IV-C; what each means stands beside it in params.yaml."""

    C: params.Positive
    layers: Annotated[int, Field(ge=3)]
    epochs: params.Positive
    batch_size: params.Positive
    eval_batch_size: params.Positive
    epoch_images: Annotated[int, Field(ge=0)]
    padding: Annotated[int, Field(ge=0)]
    learning_rate: params.PositiveFloat
    learning_rate_min: params.NonNegative
    momentum: params.Fraction
    weight_decay: params.NonNegative
    grad_clip: params.PositiveFloat
    drop_path: Annotated[float, Field(ge=0, lt=1)]
    auxiliary_weight: params.NonNegative
    cpu_threads: Annotated[int, Field(ge=0)]
    checkpoint_minutes: params.PositiveFloat


class Result(NamedTuple):
    """What a training leaves."""

    network: nn.Module
    log: RunLog
    predictions: Tensor  # int64 [T], of the last epoch
    wrong: list[int]  # test images wrongly classified after each epoch


def train(
    genotype: Genotype, images: Images, settings: RetrainParams, cutout: int, seed: int, title: str, checkpoint: Checkpoint
) -> Result:
    """Train the network that ``genotype`` makes and count its errors after each epoch.

    Args:
        cutout: side of the mask in pixels of a 32-pixel image, 0 for none (choice D29).
        seed: of every random draw.

    Raises:
        InputError: the loss is not a number, or the images are too small for the network.
        Stopped: a signal asked the process to end; its state is in ``checkpoint``.
    """
    device = images.images.device
    torch.manual_seed(seeds.seed_of(seed, "init"))
    size = images.images.shape[-1]
    network = NetworkCIFAR(genotype, settings.C, settings.layers, len(images.data.classes), size, settings.auxiliary_weight > 0)
    layout = arithmetic.layout(settings)
    network = network.to(device, memory_format=layout)
    training = arithmetic.compiled(network, settings)
    optimizer = optim.SGD(network.parameters(), settings.learning_rate, settings.momentum, settings.weight_decay)
    scaler = arithmetic.scaler(settings, device)
    source = TrainBatches(
        images.images,
        images.labels,
        images.train,
        settings.batch_size,
        settings.epoch_images,
        settings.padding,
        cutout,
        images.data.mean,
        images.data.std,
        seed,
        "retrain",
    )
    log = RunLog(title, settings.epochs, source.steps)
    first, losses, correct, wrong = 1, [], [], []
    if saved := checkpoint.load():
        network.load_state_dict(saved["network"])
        optimizer.load_state_dict(saved["optimizer"])
        scaler.load_state_dict(saved["scaler"])
        first, losses, correct, wrong = saved["epoch"], saved["losses"], saved["correct"], saved["wrong"]
        log.restore(saved["rows"], saved["seconds"], len(losses))

    def forward(inputs: Tensor) -> Tensor:
        with arithmetic.autocast(settings, device):
            return network(inputs.contiguous(memory_format=layout))[0].float()

    def state() -> dict:
        check_finite(losses, f"{title}: the train", epoch, checkpoint)
        return {
            "network": network.state_dict(),
            "optimizer": optimizer.state_dict(),
            "scaler": scaler.state_dict(),
            "epoch": epoch,
            "step": len(losses),
            "losses": [value.cpu() for value in losses],
            "correct": [value.cpu() for value in correct],
            "wrong": wrong,
            "rows": log.rows,
            "seconds": log.seconds,
        }

    for epoch in range(first, settings.epochs + 1):
        rate = schedules.cosine(epoch, settings.epochs, settings.learning_rate, settings.learning_rate_min)
        drop = schedules.drop_path(epoch, settings.epochs, settings.drop_path)
        optimizer.param_groups[0]["lr"] = rate
        network.train()
        for step in range(len(losses), source.steps):
            inputs, targets = source.get(epoch, step)
            keep = keep_masks(settings.layers, len(inputs), drop, seeds.generator(seed, "drop path", epoch, step))
            keep = keep if keep is None else keep.to(device)
            with arithmetic.autocast(settings, device):
                logits, auxiliary = training(inputs.contiguous(memory_format=layout), keep)
                loss = F.cross_entropy(logits, targets)
                if auxiliary is not None:
                    loss = loss + settings.auxiliary_weight * F.cross_entropy(auxiliary, targets)  # choice D30
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(network.parameters(), settings.grad_clip)  # choice D33
            scaler.step(optimizer)
            scaler.update()
            losses.append(loss.detach())
            correct.append((logits.detach().argmax(1) == targets).float().mean())
            log.step({"loss": losses[-1], "accuracy": correct[-1]})
            checkpoint.offer(state)
        check_finite(losses, f"{title}: the train", epoch, checkpoint)
        predictions, test_loss = predict(forward, network, images, settings.eval_batch_size, lambda: checkpoint.offer(state))
        check_finite([test_loss], f"{title}: the test", epoch, checkpoint)
        wrong.append(int((predictions != images.labels[images.scored.to(device)].cpu()).sum()))
        log.epoch(
            epoch=epoch,
            learning_rate=rate,
            drop_path=drop,
            train_loss=_mean(losses),
            train_accuracy=_mean(correct),
            test_loss=test_loss,
            test_error=wrong[-1] / len(images.scored),
        )
        losses, correct = [], []
    log.close()
    return Result(network, log, predictions, wrong)


def keep_masks(layers: int, batch: int, probability: float, generator: torch.Generator) -> Tensor | None:
    """Drop path: what each edge is multiplied with for each image, 0 or 1 / (1 - p), [L, 2 * NODES, B]; None for p = 0."""
    if not probability:
        return None
    return (torch.rand(layers, 2 * NODES, batch, generator=generator) >= probability).float() / (1 - probability)


def _mean(values: list[Tensor]) -> float:
    return torch.stack([value.cpu() for value in values]).double().mean().item()


def summary(result: Result, images: Images, source: dict) -> dict:
    """The raw counts that tables are made of: errors after the last epoch, and the best epoch's for the record (choice D31)."""
    best = min(range(len(result.wrong)), key=result.wrong.__getitem__)
    return {
        "epochs": len(result.wrong),
        "images": len(images.scored),
        "wrong": result.wrong[-1],
        "best_wrong": result.wrong[best],
        "best_epoch": best + 1,
        "data": source,
    }
