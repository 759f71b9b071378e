"""Selection by masking (DARTS-PT; Wang et al., ICLR 2021), a control: the operation stays whose loss hurts a supernet most.

As there, one edge after the other in random order, each decided with those before it in place; the supernets here were trained on
sampled paths, so what is measured is the validation accuracy of random paths, and there is no tuning between two edges.
Shapes: E edges, O operations.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from eoinas import command, params, seeds
from eoinas.data import augment, batches
from eoinas.data.images import Images, SplitParams
from eoinas.models import path as paths
from eoinas.models.supernet import Supernet
from eoinas.train.search_cifar import BenchSearchParams


class MaskedParams(params.Section):
    """How much is measured for each operation of an edge."""

    draws: params.Positive  # batches, each with a random path
    batch_size: params.Positive


class MaskedStage(params.Section):
    """On which searches' supernets the stage does so."""

    searches: list[tuple[str, int]]  # item of `bench_seeds` and seed
    split: SplitParams
    search: BenchSearchParams
    masked: MaskedParams


def select(
    network: Supernet, images: Images, settings: MaskedParams, seed: int, poll: Callable[[], None] = command.leave_if_asked
) -> Tensor:
    """The operation of each edge of a space of one cell, int64 [E].

    Taking away an operation that is good leaves paths of the others, so the drop of the accuracy when it is masked is larger the
    better the paths are that have it: of the five the one with the best paths is kept.
    """
    _, edges, operations = network.space.shape
    chosen = torch.full((edges,), -1)
    for edge in torch.randperm(edges, generator=seeds.generator(seed, "masked order")).tolist():
        paths_of = _random_paths(edges, operations, settings.draws, seeds.generator(seed, "masked paths", edge))
        paths_of = torch.where(chosen >= 0, chosen, paths_of)
        accuracies = torch.stack([_accuracy(network, images, settings, paths_of, edge, o, seed) for o in range(operations)])
        others = (accuracies.sum() - accuracies) / (operations - 1)  # with the operation masked
        chosen[edge] = (accuracies.mean() - others).argmax()  # the largest drop; ties: the first
        poll()
    return chosen


def _random_paths(edges: int, operations: int, draws: int, generator: torch.Generator) -> Tensor:
    """int64 [draws, E], uniform."""
    return torch.randint(operations, (draws, edges), generator=generator)


@torch.no_grad()
def _accuracy(
    network: Supernet, images: Images, settings: MaskedParams, drawn: Tensor, edge: int, operation: int, seed: int
) -> Tensor:
    """Of the paths ``drawn`` [draws, E] with ``operation`` on ``edge``, each on a batch of the alpha half; the same for all."""
    network.eval()
    order = augment.order(len(images.scored), seeds.generator(seed, "masked images"))
    shuffled, right, count = images.scored[order], torch.zeros(()), 0
    parts = batches.plain(images.images, images.labels, shuffled, settings.batch_size, images.data.mean, images.data.std)
    for row, (inputs, targets) in zip(drawn, parts, strict=False):
        index = row.clone()
        index[edge] = operation
        logits = network(inputs, paths.sampled(index[None], None, network.space.zero))
        right, count = right + (logits.argmax(1) == targets).sum().cpu(), count + len(targets)
    return right / count
