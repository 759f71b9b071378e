"""Training on ImageNet (Sec. IV-D, choice D34), of the transferred network or of any other that classifies photographs.

Shapes: B images, K classes.
"""

from collections.abc import Callable
from typing import Annotated

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from eoinas import command, params, schedules, seeds
from eoinas.data.file_batches import FileBatches, in_order
from eoinas.data.imagenet import Listing
from eoinas.data.photos import Photos
from eoinas.genotype import Genotype
from eoinas.models.imagenet import NetworkImageNet
from eoinas.models.segmentation import SegNetworkParams
from eoinas.ranks import Group
from eoinas.runlog import RunLog
from eoinas.train import arithmetic, fit
from eoinas.train.image_loss import image_loss


class RecipeParams(fit.FitParams):
    """Numbers of the recipe; what each means stands beside it in params.yaml."""

    sync_bn: bool
    epochs: params.Positive
    epoch_images: Annotated[int, Field(ge=0)]
    image_size: Annotated[int, Field(ge=16, le=1024)]
    eval_batch_size: params.Positive
    learning_rate: params.PositiveFloat
    learning_rate_decay: Annotated[float, Field(gt=0, le=1)]
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]
    seed: Annotated[int, Field(ge=0)]


class ImagenetParams(RecipeParams):
    """The recipe and the size of the network of Fig. 6(b)."""

    C: Annotated[int, Field(ge=2, multiple_of=2)]
    layers: Annotated[int, Field(ge=3)]
    auxiliary_weight: params.NonNegative

    @model_validator(mode="after")
    def _two_images(self) -> "ImagenetParams":
        fit.two_images(self)
        return self


class PretrainStage(params.Section):
    """What the stage does that trains the backbone of a segmentation network (choice D53)."""

    network: SegNetworkParams
    recipe: RecipeParams


def build(genotype: Genotype, settings: ImagenetParams, classes: int, stream: str) -> NetworkImageNet:
    """The network on the CPU with its first weights, which follow from the seed and ``stream``.

    Raises:
        InputError: the images are too small for the auxiliary head.
    """
    torch.manual_seed(seeds.seed_of(settings.seed, stream, "init"))
    return NetworkImageNet(genotype, settings.C, settings.layers, classes, settings.image_size, settings.auxiliary_weight > 0)


def train(
    network: nn.Module,
    settings: RecipeParams,
    data: Listing,
    group: Group,
    title: str,
    checkpoint: fit.States,
    auxiliary_weight: float = 0.0,
    *,
    stream: str,
    workers: int,
) -> RunLog:
    """Train ``network`` in place and count its errors after each epoch.

    Args:
        network: on its device; [B, 3, image_size, image_size] to logits [B, K] and auxiliary logits [B, K] or None.
        data: the images; an epoch is all of ``data.train``, or ``epoch_images`` of it.
        group, title, checkpoint: as of ``fit.fit``.
        auxiliary_weight: of the auxiliary loss, if the network gives auxiliary logits.
        stream: with the seed, of order and crops; trainings of another stream, such as "imagenet/eoinas", draw independently.
        workers: processes a rank that read ahead; they do not change the result.

    Returns:
        The log; a row of the history has wrong_top1 and wrong_top5 of ``data.val``, and the same as errors.

    Raises:
        InputError: the loss is not a number, or an image cannot be read.
        Stopped: a signal asked the process to end; its state is in ``checkpoint``.
    """
    device = next(network.parameters()).device
    photos = Photos(data.folder, data.train, settings.image_size, training=True)
    batch, count, apart = settings.batch_size, settings.epoch_images, not settings.sync_bn
    batches = FileBatches(photos, batch, settings.seed, stream, workers, device, group, count, apart)
    scored = Photos(data.folder, data.val, settings.image_size, training=False)

    def loss(outputs: tuple[Tensor, Tensor | None], targets: Tensor) -> tuple[Tensor, int, Tensor]:
        return image_loss(outputs, targets, auxiliary_weight, settings.label_smoothing)

    def evaluate(_epoch: int, poll: Callable[[], None]) -> dict[str, float | int]:
        top1, top5 = count_wrong(network, scored, settings, device, group, poll, workers=workers)
        images = len(scored)
        return {"wrong_top1": top1, "wrong_top5": top5, "error_top1": top1 / images, "error_top5": top5 / images}

    def rate(epoch: int, _iteration: int) -> float:
        return schedules.exponential(epoch, settings.learning_rate, settings.learning_rate_decay)

    iterations = settings.epochs * batches.steps
    task = fit.Task(network, settings.image_size, batches, loss, rate, iterations, evaluate=evaluate, sync_bn=settings.sync_bn)
    return fit.fit(task, settings, title, checkpoint, group)


@torch.no_grad()
def count_wrong(
    network: nn.Module,
    photos: Photos,
    settings: RecipeParams,
    device: torch.device,
    group: Group,
    poll: Callable[[], None] = command.leave_if_asked,
    *,
    workers: int,
) -> tuple[int, int]:
    """Images whose class is not the first, and not among the first five, of what ``network`` says; the ranks share the work.

    Args:
        poll: called after every batch that all ranks have.
        workers: processes a rank that read ahead.
    """
    network.eval()
    shared = len(photos) // group.world // settings.eval_batch_size
    wrong = torch.zeros(2, dtype=torch.int64, device=device)
    for number, (inputs, targets) in enumerate(in_order(photos, settings.eval_batch_size, workers, device, group)):
        with arithmetic.autocast(settings, device):
            logits, _ = network(inputs.contiguous(memory_format=arithmetic.layout(settings)))
        hits = logits.topk(min(5, logits.shape[1])).indices == targets[:, None]  # [B, 5]
        wrong += torch.stack([(~hits[:, 0]).sum(), (~hits.any(1)).sum()])
        if number < shared:
            poll()
    return tuple(group.sum(wrong).tolist())


def summary(log: RunLog, settings: RecipeParams, data: Listing) -> dict:
    """The raw counts that tables are made of: errors after the last epoch, and the best epoch's for the record (choice D31)."""
    wrong = [row["wrong_top1"] for row in log.rows]
    best = min(range(len(wrong)), key=wrong.__getitem__)
    return {
        "epochs": len(wrong),
        "images": len(data.val.paths),
        "wrong_top1": wrong[-1],
        "wrong_top5": log.rows[-1]["wrong_top5"],
        "best_wrong_top1": wrong[best],
        "best_epoch": best + 1,
        "data": {"source": data.source, "image_size": settings.image_size, "classes": len(data.classes)},
    }
