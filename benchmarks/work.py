"""How much work the stages of a scale are, counted and not measured. Usage: python -m benchmarks.work [SCALE]

Forward passes of the real networks are run on the "meta" device, which computes nothing, and torch's counter adds up the
floating-point operations of their convolutions and linear layers (2 a multiply-add). A backward pass counts as two forward ones,
without gradients for the weights as one (torch 2.14 counts the weights' gradient of a depthwise convolution as that of a dense
one). Sampled paths count as the mean over all eight operations.
"""

import sys
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from eoinas import genotype, params
from eoinas.data.cityscapes_labels import CLASSES as CITYSCAPES
from eoinas.genotype import CELLS, EDGES, OPERATIONS
from eoinas.models.cifar import NetworkCIFAR
from eoinas.models.imagenet import NetworkImageNet
from eoinas.models.segmentation import PooledClassifier, SegmentationNetwork, SegNetworkParams
from eoinas.models.supernet import sampled_path
from eoinas.train import candidates, classify, imagenet, search_cifar, search_seg, segment, standalone

CELL = "data/genotypes/eoinas_cifar.json"
# Images of the paper's data sets; scales below paper use some of them.
CIFAR, CIFAR_TEST, IMAGENET, IMAGENET_VAL, SCENES, SCENES_VAL = 50_000, 10_000, 1_281_167, 50_000, 2975, 500
SCENE = (1024, 2048)
SUSTAINED = 1.0  # TFLOP/s: about what the paper's 12 days for ImageNet on a GTX 1080 Ti come to


class Row(NamedTuple):
    """Work of one run of a stage (a seed, a training), in FLOP, and how many runs the scale has."""

    stage: str
    step: float
    total: float
    count: int


def flops(work: Callable[[], object]) -> int:
    """Floating-point operations of ``work`` on the meta device."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


def step(network: nn.Module, size: tuple[int, int]) -> tuple[int, int]:
    """FLOP for one image: forward and backward in training, and forward in evaluation."""
    images = torch.zeros(2, 3, *size)  # two, for batch normalisation
    return 3 * flops(lambda: network.train()(images)) // 2, flops(lambda: network.eval()(images)) // 2


def supernet(network: nn.Module, size: int) -> tuple[int, int]:
    """FLOP for one image of a weight step and of an alpha step, the mean over the operations."""
    images, forward = torch.zeros(2, 3, size, size), 0
    edges = torch.arange(len(CELLS) * len(EDGES), device="cpu").view(len(CELLS), len(EDGES))
    for shift in range(len(OPERATIONS)):  # every edge has every operation once
        path = sampled_path((edges + shift) % len(OPERATIONS), None)
        forward += flops(lambda path=path: network(images, path))
    return 3 * forward // 2 // len(OPERATIONS), 2 * forward // 2 // len(OPERATIONS)


def searching(weight: int, alpha: int, settings: object, half: int) -> tuple[float, float]:
    """FLOP of a step of both kinds, and of a whole search."""
    images = min(getattr(settings, "epoch_images", 0) or half, half)
    joint = settings.epochs - settings.warmup
    return settings.batch_size * (weight + alpha), images * (settings.epochs * weight + joint * alpha)


def training(train: int, evaluate: int, settings: object, images: int, test: int) -> tuple[float, float]:
    """FLOP of a step and of a whole training with an evaluation after each epoch."""
    used = min(settings.epoch_images or images, images)
    return settings.batch_size * train, settings.epochs * (used * train + test * evaluate)


def rows(scale: str) -> list[Row]:
    """Every kind of stage that trains or evaluates."""
    top, cell = params.top(), genotype.load(CELL)

    def load(section: type[params.T], name: str) -> params.T:
        return params.load(section, scale, name)

    search, seg = load(search_cifar.SearchCifarParams, "search"), load(search_seg.SegSearchParams, "seg_search")
    retrain, derive = load(classify.RetrainParams, "retrain"), load(candidates.DeriveParams, "derive")
    alone, transfer = load(standalone.StandaloneParams, "standalone"), load(imagenet.ImagenetParams, "imagenet")
    network, pretrain = load(SegNetworkParams, "seg_network"), load(imagenet.RecipeParams, "seg_pretrain")
    finetune = load(segment.SegTrainParams, "seg_train")
    found = []
    with torch.device("meta"), torch.no_grad():
        cost = searching(*supernet(search_cifar.build(search, 10), 32), search, CIFAR // 2)
        found.append(Row("search", *cost, 3 * len(top.seeds)))
        for name, settings, images, test, count in (
            ("random_cells", derive.short, CIFAR // 2, CIFAR // 2, len(top.seeds)),
            ("retrain_cifar10", retrain, CIFAR, CIFAR_TEST, len(top.entries.cifar10) * len(top.runs)),
            ("retrain_cifar100", retrain, CIFAR, CIFAR_TEST, len(top.entries.cifar100) * len(top.runs)),
            ("standalone", alone, CIFAR, CIFAR_TEST, len(OPERATIONS) * len(alone.runs)),
        ):
            net = NetworkCIFAR(cell, settings.C, settings.layers, 10, 32, settings.auxiliary_weight > 0)
            found.append(Row(name, *training(*step(net, (32, 32)), settings, images, test), count))
        net = NetworkImageNet(cell, transfer.C, transfer.layers, 1000, transfer.image_size)
        cost = training(*step(net, (transfer.image_size,) * 2), transfer, IMAGENET, IMAGENET_VAL)
        found.append(Row("imagenet", *cost, len(top.entries.imagenet)))
        cost = searching(*supernet(search_seg.build(seg), seg.crops.crop), seg, SCENES // 2)
        found.append(Row("seg_search", *cost, 1))
        scenes, size = len(top.entries.cityscapes), (pretrain.image_size,) * 2
        cost = training(*step(PooledClassifier(cell, network, 1000), size), pretrain, IMAGENET, IMAGENET_VAL)
        found.append(Row("seg_pretrain", *cost, scenes))
        net = SegmentationNetwork(cell, network, len(CITYSCAPES))
        train, _ = step(net, (finetune.crops.crop,) * 2)
        cost = (finetune.batch_size * train, finetune.iterations * finetune.batch_size * train)
        found.append(Row("seg_train", *cost, 2 * scenes))
        whole = flops(lambda: net.eval()(torch.zeros(1, 3, *SCENE)))
        found.append(Row("seg_evaluate", whole, SCENES_VAL * whole, 2 * scenes))
    return found


def table(found: list[Row]) -> str:
    """As Markdown."""
    lines = [
        "| stage | TFLOP a step | PFLOP a run | runs | PFLOP in all | GPU-hours in all at 1 TFLOP/s |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in [*found, Row("all", 0, sum(row.total * row.count for row in found), 1)]:
        total = row.total * row.count
        hours = total / (SUSTAINED * 1e12) / 3600
        each = (f"{row.step / 1e12:.3g}", f"{row.total / 1e15:,.0f}", str(row.count)) if row.step else ("", "", "")
        lines.append(f"| {' | '.join((row.stage, *each, f'{total / 1e15:,.0f}', f'{hours:,.1f}'))} |")
    return "\n".join(lines)


def main() -> None:
    scale = params.choice(sys.argv[1] if len(sys.argv) > 1 else "paper", params.Scale.__args__, "scale")
    print(table(rows(scale)))
    print(
        f"\nThe hours are an estimate: the paper's ImageNet training, 12 days on a GTX 1080 Ti, was about {SUSTAINED:g} TFLOP/s."
    )
    print("Searches take longer, for they are bound by the launches of small kernels and not by arithmetic.")


if __name__ == "__main__":
    main()
