"""What a stage needs of a GPU's memory, counted on the "meta" device, which has shapes alone.

Counted are what a step of training keeps for its backward pass, and four numbers a weight: itself, its gradient, its momentum and
a copy on the way. Workspace of kernels and what torch's allocator rounds up come on top.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import torch
from torch import Tensor, nn

from eoinas import code, genotype, params
from eoinas.data.cityscapes_labels import CLASSES
from eoinas.models import path as paths
from eoinas.models.cifar import NetworkCIFAR
from eoinas.models.imagenet import NetworkImageNet
from eoinas.models.segmentation import PooledClassifier, SegmentationNetwork
from eoinas.models.supernet import Supernet
from eoinas.train import search_cifar, search_seg

CELL = code.ROOT / "data/genotypes/eoinas_cifar.json"  # for all trainings
CIFAR = 32  # pixels
IMAGENET = 1000  # classes
OF_A_WEIGHT = 4
HALVED = ("bf16", "fp16")


def saved(network: nn.Module, forward: Callable[[], object]) -> int:
    """Bytes that the graph of ``forward`` keeps, the network's weights left out; a storage counts once."""
    found: dict[int, Tensor] = {}
    weights = {weight.untyped_storage()._cdata for weight in network.parameters()}

    def keep(tensor: Tensor) -> Tensor:
        if tensor.untyped_storage()._cdata not in weights:
            found[tensor.untyped_storage()._cdata] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        forward()
    return sum(tensor.untyped_storage().nbytes() for tensor in found.values())


def needed(resolved: Mapping[str, params.Section]) -> Iterator[tuple[str, float]]:
    """Each stage that trains, and GiB, from what ``settings.resolve`` made of a scale."""
    cell = genotype.load(CELL)
    plan = resolved["report"]
    retrain = next(section.retrain for name, section in resolved.items() if name.startswith("retrain/"))
    search, seg = resolved[f"derive/{plan.main}"].search, resolved["seg_search"]
    transfer, pretrain, finetune = resolved["imagenet"], resolved["seg_pretrain"], resolved["seg_train"]
    with torch.device("meta"):
        yield "search", _searched(search_cifar.build(search, 10), search.batch_size, CIFAR)
        small = NetworkCIFAR(cell, retrain.C, retrain.layers, 10, CIFAR, retrain.auxiliary_weight > 0)
        yield "retrain", _trained(small, retrain, CIFAR)
        large = NetworkImageNet(cell, transfer.C, transfer.layers, IMAGENET, transfer.image_size, transfer.auxiliary_weight > 0)
        yield "imagenet", _trained(large, transfer, transfer.image_size)
        yield "seg_search", _searched(search_seg.build(seg), seg.batch_size, seg.crops.crop)
        pooled = PooledClassifier(cell, pretrain.network, IMAGENET)
        yield "seg_pretrain", _trained(pooled, pretrain.recipe, pretrain.recipe.image_size)
        whole = SegmentationNetwork(cell, finetune.network, len(CLASSES))
        yield "seg_train", _trained(whole, finetune.train, finetune.train.crops.crop)


def _trained(network: nn.Module, settings: params.Section, side: int) -> float:
    batch = -(-settings.batch_size // settings.accumulate)
    activations = saved(network, lambda: network.train()(torch.zeros(batch, 3, side, side)))
    return _gib(network, activations / (2 if settings.precision in HALVED else 1))


def _searched(network: Supernet, batch: int, side: int) -> float:
    """The mean over the operations: an edge runs one of them in a step."""
    cells, edges, operations = network.space.shape
    index = torch.arange(cells * edges, device=paths.CPU).view(cells, edges)
    ways = [paths.sampled((index + shift) % operations, None, network.space.zero) for shift in range(operations)]
    images = torch.zeros(batch, 3, side, side)
    return _gib(network, sum(saved(network, partial(network.train(), images, way)) for way in ways) / operations)


def _gib(network: nn.Module, activations: float) -> float:
    weights = sum(weight.numel() * weight.element_size() for weight in network.parameters())
    return (activations + OF_A_WEIGHT * weights) / 2**30
