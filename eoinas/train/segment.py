"""Training of the encoder-decoder on street scenes (Sec. V-C), from scratch or from a pretrained backbone."""

from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from eoinas import params, schedules, seeds
from eoinas.data import crops
from eoinas.data.cityscapes import Scenes
from eoinas.data.cityscapes_labels import CLASSES
from eoinas.data.file_batches import FileBatches
from eoinas.genotype import Genotype
from eoinas.models.segmentation import SegmentationNetwork, SegNetworkParams
from eoinas.ranks import Group
from eoinas.runlog import RunLog
from eoinas.train import fit, pixel_loss, pretrained

INITS = ("scratch", "pretrained")


class SegTrainParams(fit.FitParams):
    """Numbers of Sec. V-C (choices D47 to D51); what each means stands beside it in params.yaml."""

    sync_bn: bool
    crops: crops.CropParams
    iterations: params.Positive
    learning_rate: params.PositiveFloat
    power: params.PositiveFloat
    loss: Literal["cross_entropy", "ohem"]
    ohem_threshold: Annotated[float, Field(gt=0, le=1)]
    ohem_min_kept: params.Positive
    seed: Annotated[int, Field(ge=0)]


class SegTrainStage(params.Section):
    """What a stage does that trains an encoder-decoder."""

    network: SegNetworkParams
    train: SegTrainParams


def train(
    genotype: Genotype,
    scenes: Scenes,
    size: SegNetworkParams,
    settings: SegTrainParams,
    backbone: Path | str | None,
    device: torch.device,
    group: Group,
    title: str,
    states: fit.States,
    *,
    stream: str,
    workers: int,
) -> tuple[SegmentationNetwork, RunLog]:
    """Train the network that ``genotype`` makes on all training scenes.

    Args:
        backbone: weights of the pretraining, or None to train from scratch.
        stream: with the seed, of every random draw; trainings of another stream, such as "cityscapes/eoinas", draw independently.
        workers: processes a rank that read ahead; they do not change the result.

    Raises:
        InputError: the weights are of another backbone, a picture cannot be read, a batch is too small to be normalised, or the
            loss is not a number.
        Stopped: a signal asked the process to end; its state is in ``states``.
    """
    torch.manual_seed(seeds.seed_of(settings.seed, stream, "init"))
    network = SegmentationNetwork(genotype, size, len(CLASSES))
    if backbone is not None:
        pretrained.load_backbone(network, backbone)
    dataset = crops.Crops(scenes.root, scenes.split("train"), settings.crops, scenes.cache)
    apart = size.norm == "batch" and not settings.sync_bn
    batches = FileBatches(dataset, settings.batch_size, settings.seed, stream, workers, device, group, apart=apart)

    def loss(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if settings.loss == "ohem":  # choice D50
            return pixel_loss.hard_cross_entropy(logits, targets, settings.ohem_threshold, settings.ohem_min_kept)
        return pixel_loss.cross_entropy(logits, targets)

    def rate(_epoch: int, iteration: int) -> float:
        return schedules.polynomial(iteration, settings.iterations, settings.learning_rate, settings.power)

    network = network.to(device)
    task = fit.Task(network, settings.crops.crop, batches, loss, rate, settings.iterations, sync_bn=settings.sync_bn)
    log = fit.fit(task, settings, title, states, group)
    return network, log
