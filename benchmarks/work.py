"""How much work the stages of a scale are, counted and not measured. Usage: python -m benchmarks.work [SCALE]

Forward passes of the real networks are run on the "meta" device, which computes nothing, and torch's counter adds up the
floating-point operations of their convolutions and linear layers (2 a multiply-add). A backward pass counts as two forward ones,
without gradients for the weights as one (torch 2.14 counts the weights' gradient of a depthwise convolution as that of a dense
one). Sampled paths count as the mean over all operations.
"""

import sys
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from eoinas import genotype, params, settings
from eoinas.data.cityscapes_labels import CLASSES as CITYSCAPES
from eoinas.models import path as paths
from eoinas.models.cifar import NetworkCIFAR
from eoinas.models.imagenet import NetworkImageNet
from eoinas.models.segmentation import PooledClassifier, SegmentationNetwork
from eoinas.train import classify, search_cifar, search_seg

CELL = "data/genotypes/eoinas_cifar.json"
# Images of the paper's data sets; scales below paper use some of them.
CIFAR, CIFAR_TEST, IMAGENET, IMAGENET_VAL, SCENES, SCENES_VAL = 50_000, 10_000, 1_281_167, 50_000, 2975, 500
SIDE, SCENE = 32, (1024, 2048)  # pixels
SUSTAINED = 1.0  # TFLOP/s: about what the paper's 12 days for ImageNet on a GTX 1080 Ti come to


class Row(NamedTuple):
    """Work of one run of a stage (a seed, a training), in FLOP or another price, and how many runs the scale has."""

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
    cells, edges, operations = network.space.shape
    numbers = torch.arange(cells * edges, device="cpu").view(cells, edges)
    for shift in range(operations):  # every edge has every operation once
        path = paths.sampled((numbers + shift) % operations, None, network.space.zero)
        forward += flops(lambda path=path: network(images, path))
    return 3 * forward // 2 // operations, 2 * forward // 2 // operations


def _cifar(cell: genotype.Genotype, numbers: classify.RetrainParams) -> nn.Module:
    return NetworkCIFAR(cell, numbers.C, numbers.layers, 10, SIDE, numbers.auxiliary_weight > 0)


def searching(weight: float, alpha: float, numbers: object, half: int) -> tuple[float, float]:
    """Price of a step of both kinds, and of a whole search."""
    images = min(getattr(numbers, "epoch_images", 0) or half, half)
    joint = numbers.epochs - numbers.warmup
    return numbers.batch_size * (weight + alpha), images * (numbers.epochs * weight + joint * alpha)


def training(train: float, evaluate: float, numbers: object, images: int, test: int) -> tuple[float, float]:
    """Price of a step and of a whole training with an evaluation after each epoch."""
    images *= numbers.times(images) if isinstance(numbers, classify.RetrainParams) else 1
    used = min(numbers.epoch_images or images, images)
    return numbers.batch_size * train, numbers.epochs * (used * train + test * evaluate)


Pair = tuple[float, float]  # of an image in training and in evaluation; in a search, in a weight step and in an alpha step
Price = Callable[[str, Callable[[], Pair]], Pair]  # of a stage's name, and of what counts its FLOP


def counted(_stage: str, count: Callable[[], Pair]) -> Pair:
    """FLOP."""
    return count()


def rows(scale: str, price: Price = counted) -> list[Row]:
    """Every kind of stage that trains or evaluates; with another price than FLOP, such as seconds, the work in that."""
    resolved, cell = settings.resolve(params.read(), scale), genotype.load(CELL)
    plan, alone, transfer, seg = (resolved[name] for name in ("report", "standalone", "imagenet", "seg_search"))
    retrain = next(section.retrain for name, section in resolved.items() if name.startswith("retrain/"))
    derived = resolved[f"derive/{plan.main}"]
    pretrain, finetune = resolved["seg_pretrain"], resolved["seg_train"]
    searches, runs = len(plan.searches), len(plan.runs)
    served = sum(entry is not None for entry in plan.per_seed.served_by.values())
    found = []
    with torch.device("meta"), torch.no_grad():
        pair = price("search", lambda: supernet(search_cifar.build(derived.search, 10), SIDE))
        cost = searching(*pair, derived.search, CIFAR // 2)
        found.append(Row("search", *cost, len(plan.variants) * searches))
        for name, numbers, images, test, count in (
            ("random_cells", derived.derive.short, CIFAR // 2, CIFAR // 2, searches),
            *((f"retrain_{data}", retrain, CIFAR, CIFAR_TEST, len(plan.entries[data]) * runs) for data in plan.datasets),
            ("retrain_seeds", retrain, CIFAR, CIFAR_TEST, (len(plan.candidates) * searches - served) * plan.per_seed.runs),
            ("standalone", alone, CIFAR, CIFAR_TEST, len(plan.space.operations) * len(alone.runs)),
        ):
            pair = price(name, lambda numbers=numbers: step(_cifar(cell, numbers), (SIDE, SIDE)))
            found.append(Row(name, *training(*pair, numbers, images, test), count))
        found += _bench(resolved, price)
        net = NetworkImageNet(cell, transfer.C, transfer.layers, 1000, transfer.image_size)
        pair = price("imagenet", lambda: step(net, (transfer.image_size,) * 2))
        found.append(Row("imagenet", *training(*pair, transfer, IMAGENET, IMAGENET_VAL), len(plan.imagenet)))
        pair = price("seg_search", lambda: supernet(search_seg.build(seg), seg.crops.crop))
        found.append(Row("seg_search", *searching(*pair, seg, SCENES // 2), 1))
        scenes, size = len(plan.cityscapes), (pretrain.recipe.image_size,) * 2
        pair = price("seg_pretrain", lambda: step(PooledClassifier(cell, pretrain.network, 1000), size))
        found.append(Row("seg_pretrain", *training(*pair, pretrain.recipe, IMAGENET, IMAGENET_VAL), scenes))
        whole = SegmentationNetwork(cell, finetune.network, len(CITYSCAPES))
        train, _ = price("seg_train", lambda: step(whole, (finetune.train.crops.crop,) * 2))
        batch = finetune.train.batch_size * train
        found.append(Row("seg_train", batch, finetune.train.iterations * batch, 2 * scenes))
        _, each = price("seg_evaluate", lambda: (0, flops(lambda: whole.eval()(torch.zeros(1, 3, *SCENE)))))
        found.append(Row("seg_evaluate", each, SCENES_VAL * each, 2 * scenes))
    return found


def _bench(resolved: dict[str, params.Section], price: Price) -> list[Row]:
    """The searches on NAS-Bench-201, whose lengths may differ by variant, and the masking on their supernets."""
    masked, chosen = resolved["bench_masked"], resolved["bench_masked"].masked
    stages = [section for name, section in resolved.items() if name.startswith("bench/") and section.seeds]
    network = search_cifar.build(masked.search, 10)
    weight, alpha = price("bench_search", lambda: supernet(network, SIDE // masked.search.average))
    costs = [searching(weight, alpha, section.search, CIFAR // 2) for section in stages for _ in section.seeds]
    images = chosen.draws * chosen.batch_size  # seen with each operation of each edge, forward
    _, edges, operations = network.space.shape
    return [
        Row("bench_search", costs[0][0], sum(total for _, total in costs) / len(costs), len(costs)),
        Row("bench_masked", chosen.batch_size * weight / 3, edges * operations * images * weight / 3, len(masked.searches)),
    ]


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
    print(table(rows(sys.argv[1] if len(sys.argv) > 1 else params.BASE)))
    print(
        f"\nThe hours are an estimate: the paper's ImageNet training, 12 days on a GTX 1080 Ti, was about {SUSTAINED:g} TFLOP/s."
    )
    print("Searches take longer, for they are bound by the launches of small kernels and not by arithmetic.")


if __name__ == "__main__":
    main()
