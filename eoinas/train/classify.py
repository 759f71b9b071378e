"""Training of a derived network on images from scratch: CIFAR-10/100 (Sec. IV-C), and the short retraining of choice A12.

Shapes: B images, K classes, L cells, E edges of a cell, T test images.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from eoinas import devices, formats, params, schedules, seeds, weights
from eoinas.checkpoint import check_finite
from eoinas.data.batches import TrainBatches
from eoinas.data.images import Images
from eoinas.genotype import Genotype
from eoinas.models.cifar import NetworkCIFAR
from eoinas.models.classifier import Classifier
from eoinas.runlog import RunLog
from eoinas.train import arithmetic, fit
from eoinas.train.image_loss import image_loss
from eoinas.train.predict import predict


class RetrainParams(fit.FitParams):
    """Numbers of Sec. IV-C; what each means stands beside it in params.yaml."""

    C: params.Positive
    layers: Annotated[int, Field(ge=3)]
    epochs: params.Positive
    eval_batch_size: params.Positive
    epoch_images: Annotated[int, Field(ge=0)]
    padding: Annotated[int, Field(ge=0)]
    learning_rate: params.PositiveFloat
    learning_rate_min: params.NonNegative
    drop_path: Annotated[float, Field(ge=0, lt=1)]
    auxiliary_weight: params.NonNegative

    def times(self, images: int) -> int:
        """How often an epoch takes each of so many images at most: as often as ``epoch_images`` holds all of them, or once."""
        return max(1, self.epoch_images // images)

    @model_validator(mode="after")
    def _two_images(self) -> "RetrainParams":
        fit.two_images(self)
        return self


class RetrainStage(params.Section):
    """What a stage of trainings of one entry does."""

    runs: list[int]
    retrain: RetrainParams


class RetrainSeedsStage(params.Section):
    """What a stage of trainings of the cells of several searches does."""

    seeds: list[int]
    runs: list[int]  # of each seed's cell
    cutout: int
    selected_is_served: bool  # the selected seed's cell is trained as an entry, and not again
    retrain: RetrainParams


class Result(NamedTuple):
    """What a training leaves."""

    network: nn.Module
    log: (
        RunLog  # a row of the history has drop_path, test_loss, and the test images wrongly classified, their number and fraction
    )
    predictions: Tensor  # int64 [T], of the last epoch

    @property
    def wrong(self) -> list[int]:
        """Test images wrongly classified after each epoch."""
        return [row["test_wrong"] for row in self.log.rows]


def train(
    genotype: Genotype,
    images: Images,
    settings: RetrainParams,
    cutout: int,
    seed: int,
    stream: str,
    title: str,
    checkpoint: fit.States,
) -> Result:
    """Train the network that ``genotype`` makes and count its errors after each epoch.

    Args:
        cutout: side of the mask in pixels of a 32-pixel image, 0 for none (choice D29).
        seed, stream: of every random draw; trainings of another stream, such as "cifar10/eoinas", draw independently.

    Raises:
        InputError: the loss is not a number, or the images are too small or too few for the network.
        Stopped: a signal asked the process to end; its state is in ``checkpoint``.
    """
    device = images.images.device
    torch.manual_seed(seeds.seed_of(seed, stream, "init"))
    size = images.images.shape[-1]
    network = NetworkCIFAR(genotype, settings.C, settings.layers, len(images.data.classes), size, settings.auxiliary_weight > 0)
    network = network.to(device)
    last: list[Tensor] = []  # predictions after the last epoch

    def forward(trained: Callable, inputs: Tensor, part: fit.Part) -> tuple[Tensor, Tensor | None]:
        generator, edges = seeds.generator(seed, stream, "drop path", part.epoch, part.step), len(network.cells[0].ops)
        keep = keep_masks(len(network.cells), edges, part.images, _drop_path(part.epoch, settings), generator)
        return trained(inputs, keep if keep is None else devices.moved(keep[..., part.rows], device))

    def evaluate(epoch: int, poll: Callable[[], None]) -> dict[str, float | int]:
        logits = partial(_logits, network, settings)
        predictions, mean = predict(logits, network, images, settings.eval_batch_size, poll)
        last[:] = [predictions]
        check_finite([mean], f"{title}: the test", epoch, checkpoint)
        wrong = int((predictions != images.labels[images.scored.to(device)].cpu()).sum())
        error = wrong / len(images.scored)
        return {"drop_path": _drop_path(epoch, settings), "test_loss": mean, "test_wrong": wrong, "test_error": error}

    def loss(outputs: tuple[Tensor, Tensor | None], targets: Tensor) -> tuple[Tensor, int, Tensor]:
        return image_loss(outputs, targets, settings.auxiliary_weight)

    def rate(epoch: int, _iteration: int) -> float:
        return schedules.cosine(epoch, settings.epochs, settings.learning_rate, settings.learning_rate_min)

    batches = _batches(images, settings, cutout, seed, stream)
    task = fit.Task(network, size, batches, loss, rate, settings.epochs * batches.steps, forward, evaluate)
    log = fit.fit(task, settings, title, checkpoint)
    return Result(network, log, last[0])


def _batches(images: Images, settings: RetrainParams, cutout: int, seed: int, stream: str) -> TrainBatches:
    return TrainBatches(
        images.images,
        images.labels,
        images.train.repeat(settings.times(len(images.train))),
        settings.batch_size,
        settings.epoch_images,
        settings.padding,
        cutout,
        images.data.mean,
        images.data.std,
        seed,
        stream,
    )


def _drop_path(epoch: int, settings: RetrainParams) -> float:
    return schedules.drop_path(epoch, settings.epochs, settings.drop_path)


def _logits(network: Classifier, settings: RetrainParams, inputs: Tensor) -> Tensor:
    """[B, 3, H, W] to logits [B, K], in evaluation."""
    with arithmetic.autocast(settings, inputs.device):
        return network(inputs.contiguous(memory_format=arithmetic.layout(settings)))[0].float()


def keep_masks(cells: int, edges: int, batch: int, probability: float, generator: torch.Generator) -> Tensor | None:
    """Drop path: what each edge of each cell is multiplied with for each image, 0 or 1 / (1 - p), [L, E, B]; None for p = 0."""
    if not probability:
        return None
    return (torch.rand(cells, edges, batch, generator=generator) >= probability).float() / (1 - probability)


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


def save(result: Result, images: Images, source: dict, folder: Path) -> None:
    """Write weights, history, predictions and counts to ``folder``; ``source`` says what the images are."""
    weights.save(result.network, folder / "weights.safetensors")
    result.log.write(folder / "history.csv")
    formats.write_array(folder / "predictions.npy", result.predictions.numpy().astype(np.int16))
    formats.write_json(folder / "result.json", summary(result, images, source))
