"""The step of the training from scratch, against the same network run plainly: ``python -m benchmarks.retrain_step``.

One step is forward, with drop path and the auxiliary head, backward, clipping and the optimizer, on a batch that is ready. The
plain network is that of ``benchmarks.reference``, in NCHW and float32, with the same weights, images and drop path. The project's
own network runs with reproducible arithmetic, as its stages run it, in each layout and precision that params.yaml offers.
"""

import sys
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks import reference, timing
from benchmarks.timing import Work
from eoinas import genotype
from eoinas.models.cifar import NetworkCIFAR
from eoinas.models.imagenet import NetworkImageNet
from eoinas.train import classify

CELL = "data/genotypes/eoinas_cifar.json"
EDGES, DROP_PATH, AUXILIARY, TURNS = 8, 0.2, 0.4, 5  # edges of a cell


class Case(NamedTuple):
    """A network of the paper with a batch that a CPU is done with in seconds; the paper's have 128 images."""

    stem: str
    C: int
    layers: int
    classes: int
    size: int
    batch: int


CASES = {"CIFAR": Case("cifar", 36, 20, 10, 32, 16), "ImageNet": Case("imagenet", 48, 14, 1000, 224, 8)}
# Name: layout, precision; None is the plain network.
VERSIONS = {
    "plain": None,
    "float32, NCHW": (torch.contiguous_format, torch.float32),
    "float32, channels_last": (torch.channels_last, torch.float32),
    "bfloat16, channels_last": (torch.channels_last, torch.bfloat16),
}


def build(case: Case, plain: bool) -> nn.Module:
    """The plain network, or the project's, with the same weights."""
    torch.manual_seed(0)
    cell = genotype.load(CELL)
    network = NetworkCIFAR if case.stem == "cifar" else NetworkImageNet
    found = network(cell, case.C, case.layers, case.classes, case.size)
    if not plain:
        return found
    copy = reference.Derived(case.stem, cell, case.C, case.layers, case.classes, case.size)
    copy.load_state_dict(found.state_dict())
    return copy


def batch(case: Case) -> tuple[Tensor, Tensor, Tensor]:
    """Images, labels and what drop path multiplies each edge with."""
    source = torch.Generator().manual_seed(0)
    images = torch.randn(case.batch, 3, case.size, case.size, generator=source)
    return (
        images,
        torch.randint(case.classes, (case.batch,), generator=source),
        classify.keep_masks(case.layers, EDGES, case.batch, DROP_PATH, source),
    )


def loss(network: Callable, images: Tensor, targets: Tensor, keep: Tensor) -> Tensor:
    """Cross entropy of both classifiers."""
    logits, auxiliary = network(images, keep)
    return F.cross_entropy(logits, targets) + AUXILIARY * F.cross_entropy(auxiliary, targets)


def work(case: Case, name: str) -> Work:
    """A step of one version."""
    settings = VERSIONS[name]
    layout, dtype = settings or (torch.contiguous_format, torch.float32)
    network = build(case, plain=settings is None).to(memory_format=layout)
    images, targets, keep = batch(case)
    images = images.contiguous(memory_format=layout)
    optimizer = torch.optim.SGD(network.parameters(), 0.025, 0.9, weight_decay=3e-4)

    def step(_turn: int) -> None:
        with timing.reproducible(settings is not None):
            with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
                total = loss(network, images, targets, keep)
            optimizer.zero_grad(set_to_none=True)
            total.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimizer.step()

    return step


def agreement(case: Case, dtype: torch.dtype = torch.float32) -> dict[str, float]:
    """Relative differences between the plain network and the project's: of the loss and of its gradient (2-norm)."""
    found = []
    for plain in (False, True):
        layout = torch.contiguous_format if plain else torch.channels_last
        network = build(case, plain).to(dtype).to(memory_format=layout)
        images, targets, keep = batch(case)
        total = loss(network, images.to(dtype).contiguous(memory_format=layout), targets, keep.to(dtype))
        gradients = torch.autograd.grad(total, [weight for _, weight in sorted(network.named_parameters())])
        found.append((total.item(), torch.cat([gradient.flatten() for gradient in gradients])))
    (loss_a, a), (loss_b, b) = found
    return {"loss": abs(loss_a / loss_b - 1), "gradient of w": ((a - b).norm() / b.norm()).item()}


def measure(report: timing.Report, title: str, case: Case) -> None:
    """A case into the table, with its promises."""
    few = {} if bf16_in_hardware() else {"bfloat16, channels_last": 1}
    times = timing.interleave({name: work(case, name) for name in VERSIONS}, TURNS, few)
    for name, seconds in times.items():
        report.row(
            network=title,
            batch=case.batch,
            version=name,
            **{"s a step": timing.spread(seconds).text(), "n": len(seconds)},
            **{"times faster than plain": timing.ratios(times["plain"], seconds).text()},
            MB=f"{timing.peak_memory('benchmarks.retrain_step', title, name):.0f}",
        )
    for name, bound in (("float32, channels_last", 1.35), ("bfloat16, channels_last", 1.5)):
        report.target(f"{title}: {name} over plain", timing.ratios(times["plain"], times[name]), bound)


def main() -> None:
    count = timing.threads()
    if sys.argv[1:2] == [timing.MEMORY]:
        return timing.print_growth(lambda: work(CASES[sys.argv[2]], sys.argv[3]), 1)
    title = "Training step, CIFAR with C = 36 and 20 cells, ImageNet with C = 48 and 14 cells"
    bfloat16 = "in hardware" if bf16_in_hardware() else "emulated, the processor has no instructions for it"
    report = timing.Report("retrain_step", title, bfloat16=bfloat16, threads=count)
    for name, case in CASES.items():
        measure(report, name, case)
    report.remarks = [
        "MB: growth of the resident memory of a fresh process over its imports, at its peak.",
        "bfloat16 is faster only where the processor has instructions for it.",
    ]
    report.write()


def bf16_in_hardware() -> bool:
    """Whether the CPU multiplies bfloat16 numbers itself."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        flags = file.read().split()
    return bool({"avx512_bf16", "amx_bf16", "avx_ne_convert"} & set(flags))


if __name__ == "__main__":
    main()
