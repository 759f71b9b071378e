"""The search on images: Algorithm 1 with the network and data of Sec. IV-A and IV-B, and the score of its cell (choice A12)."""

from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from eoinas import devices, formats, params, seeds, weights
from eoinas.checkpoint import TIMING, Checkpoint
from eoinas.data.batches import TrainBatches
from eoinas.data.images import Images, SplitParams, mixed
from eoinas.models.supernet import Supernet
from eoinas.spaces import registry
from eoinas.train import search
from eoinas.train.predict import predict


class SearchCifarParams(search.SearchParams):
    """Algorithm 1's numbers and those of Sec. IV-B 1)."""

    C: params.Positive
    layers: Annotated[int, Field(ge=3)]
    batch_size: params.Positive
    epoch_images: Annotated[int, Field(ge=0)]
    padding: Annotated[int, Field(ge=0)]
    cutout: Annotated[int, Field(ge=0, le=32)]
    channels_last: bool


class SearchStage(params.Section):
    """What a stage of searches with one variant does."""

    seeds: list[int]
    split: SplitParams
    search: SearchCifarParams


class BenchSearchParams(SearchCifarParams):
    """A search on NAS-Bench-201: on images that may be smaller than the benchmark's."""

    average: params.Positive  # pixels, of the side of the square that becomes one


class BenchStage(params.Section):
    """What a stage of searches on NAS-Bench-201 with one variant does."""

    seeds: list[int]
    split: SplitParams
    search: BenchSearchParams


class Idle(params.Section):
    """A stage that has nothing to do at a scale; no change of the method makes it stale."""

    seeds: list[int]


def build(settings: SearchCifarParams, classes: int) -> Supernet:
    """The supernet on the CPU, its weights drawn from torch's global generator."""
    space = registry.space(settings.space, settings.operations)
    return space.supernet(settings.C, settings.layers, classes, settings.pool_bn)


def run(
    images: Images, settings: SearchCifarParams, seed: int, title: str, checkpoint: Checkpoint
) -> tuple[Supernet, search.Result]:
    """Search with one seed; the arguments are those of ``search.search``."""
    torch.manual_seed(seeds.seed_of(seed, "init"))
    network = build(settings, len(images.data.classes))
    layout = torch.channels_last if settings.channels_last else torch.contiguous_format
    network = network.to(images.images.device, memory_format=layout)

    def half(index: Tensor, purpose: str) -> TrainBatches:
        return TrainBatches(
            images.images,
            images.labels,
            index,
            settings.batch_size,
            settings.epoch_images,
            settings.padding,
            settings.cutout,
            images.data.mean,
            images.data.std,
            seed,
            purpose,
        )

    task = search.Task(
        lambda inputs, path: network(inputs.contiguous(memory_format=layout), path),
        network,
        half(images.train, "search train"),
        half(images.scored, "search valid"),
        loss_and_accuracy,
    )
    return network, search.search(task, network.space, settings, seed, title, checkpoint)


def write(network: Supernet, result: search.Result, folder: Path) -> None:
    """The files of a finished search, in a folder that is there."""
    weights.save(network, folder / "supernet.safetensors")
    result.log.write(folder / "history.csv")
    np.savez(folder / "trace.npz", **result.trace)
    formats.write_json(folder / TIMING, result.log.cost(devices.device_name()))


def loss_and_accuracy(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Mean cross entropy of a batch, and the A of eq. (8): the fraction of its images that are right."""
    return F.cross_entropy(logits, targets), (logits.detach().argmax(1) == targets).float().mean()


def score(cell: object, path: Path | str, images: Images, settings: SearchCifarParams, batch_size: int, seed: int) -> float:
    """Accuracy on the alpha half of the derived cell with the supernet's own weights (choice A12), a fraction.

    Batch normalisation takes the statistics of a batch, so the images come in a seeded random order: where they lie class by
    class, a batch of one class would have lost what tells it from the others.

    Args:
        seed: of the order; one for all cells that are compared, so that they see the same batches.

    Raises:
        InputError: the weights are missing, damaged or of another supernet.
    """
    network = build(settings, len(images.data.classes)).to(images.images.device)
    weights.load(network, path)
    route, shuffled = network.space.path(cell), mixed(images, seeds.generator(seed, "score"))
    predictions, _ = predict(lambda inputs: network(inputs, route), network, shuffled, batch_size)
    return (predictions == images.labels.cpu()[shuffled.scored]).double().mean().item()
