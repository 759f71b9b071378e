"""The search on street scenes: Algorithm 1 with the network and data of Sec. V-A and V-B."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from eoinas import params, seeds
from eoinas.checkpoint import Checkpoint
from eoinas.data import crops
from eoinas.data.cityscapes import Scenes
from eoinas.data.cityscapes_labels import CLASSES
from eoinas.data.file_batches import FileBatches
from eoinas.models.seg_cells import Cells
from eoinas.models.seg_supernet import SupernetSegmentation
from eoinas.spaces import registry
from eoinas.train import pixel_loss, search


class SegSearchParams(search.SearchParams):
    """Algorithm 1's numbers and those of Sec. V-B; what each means stands beside it in params.yaml."""

    variant: str  # of `variants`, whose keys are here already
    C: Annotated[int, Field(gt=0, multiple_of=2)]
    cells: Cells
    aspp_rates: Annotated[list[params.Positive], Field(min_length=1)]
    batch_size: Annotated[int, Field(ge=2)]  # image pooling leaves one value an image, and one has no spread to normalise by
    crops: crops.CropParams
    halves_seed: Annotated[int, Field(ge=0)]
    seed: Annotated[int, Field(ge=0)]
    channels_last: bool


def build(settings: SegSearchParams) -> SupernetSegmentation:
    """The supernet on the CPU, its weights drawn from torch's global generator."""
    space = registry.space(settings.space, settings.operations)
    return SupernetSegmentation(space, settings.C, settings.cells, settings.aspp_rates, len(CLASSES), settings.pool_bn)


def run(
    scenes: Scenes, settings: SegSearchParams, device: torch.device, workers: int, title: str, checkpoint: Checkpoint
) -> tuple[SupernetSegmentation, search.Result]:
    """Search; ``title`` and ``checkpoint`` are those of ``search.search``.

    Args:
        workers: processes that read pictures, for each half.

    Raises:
        InputError: a picture cannot be read, or a loss is not a number.
    """
    torch.manual_seed(seeds.seed_of(settings.seed, "init"))
    layout = torch.channels_last if settings.channels_last else torch.contiguous_format
    network = build(settings).to(device, memory_format=layout)
    weight_half, alpha_half = crops.halves(scenes.split("train"), settings.halves_seed)

    def batches(half: list, purpose: str) -> FileBatches:
        dataset = crops.Crops(scenes.root, half, settings.crops, scenes.cache)
        # As many samples an epoch of both halves, which may differ by a picture, so that the readers never start anew.
        count = len(alpha_half)
        return FileBatches(dataset, settings.batch_size, settings.seed, purpose, workers, device, count=count)

    task = search.Task(
        lambda inputs, path: network(inputs.contiguous(memory_format=layout), path),
        network,
        batches(weight_half, "segmentation train"),
        batches(alpha_half, "segmentation valid"),
        loss_and_accuracy,
    )
    return network, search.search(task, network.space, settings, settings.seed, title, checkpoint)


def loss_and_accuracy(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Mean cross entropy over the pixels that count, and the A of eq. (8) for scenes: the fraction of those that are right."""
    total, count, correct = pixel_loss.cross_entropy(logits, targets)
    return pixel_loss.mean(total, count), pixel_loss.mean(correct, count)
