"""The search on images: Algorithm 1 with the network and data of Sec. IV-A and IV-B, and the score of its cell (choice A12)."""

from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from eoinas import params, seeds, weights
from eoinas.checkpoint import Checkpoint
from eoinas.data.batches import TrainBatches
from eoinas.data.images import Images
from eoinas.genotype import Genotype
from eoinas.models.supernet import SupernetCIFAR, derived_path
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
    cpu_threads: Annotated[int, Field(ge=0)]
    checkpoint_minutes: params.PositiveFloat


def build(settings: SearchCifarParams, classes: int) -> SupernetCIFAR:
    """The supernet on the CPU, its weights drawn from torch's global generator."""
    return SupernetCIFAR(settings.C, settings.layers, classes, settings.pool_bn)


def run(
    images: Images,
    settings: SearchCifarParams,
    variant: search.Variant,
    weight: float,
    seed: int,
    title: str,
    checkpoint: Checkpoint,
) -> tuple[SupernetCIFAR, search.Result]:
    """Search with one variant and one seed; the arguments are those of ``search.search``."""
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
        F.cross_entropy,
        lambda logits, targets: (logits.argmax(1) == targets).float().mean(),
    )
    return network, search.search(task, settings, variant, weight, seed, title, checkpoint)


def score(genotype: Genotype, path: Path | str, images: Images, settings: SearchCifarParams, batch_size: int) -> float:
    """Accuracy on the alpha half of the derived cell with the supernet's own weights (choice A12), a fraction.

    Raises:
        InputError: the weights are missing, damaged or of another supernet.
    """
    network = build(settings, len(images.data.classes)).to(images.images.device)
    weights.load(network, path)
    route = derived_path(genotype)
    predictions, _ = predict(lambda inputs: network(inputs, route), network, images, batch_size)
    return (predictions == images.labels.cpu()[images.scored]).double().mean().item()
