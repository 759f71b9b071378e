"""The search step on NAS-Bench-201, against the same supernet written plainly: ``python -m benchmarks.bench_step``.

An iteration is a weight step and an alpha step, the making of both batches included, on one core: C = 8, one cell a stage, images
of 16 x 16, batch 64. The plain supernet runs one operation an edge, each with a ReLU of its own, in torch's usual layout, and
computes every gradient that autograd can reach. Both see the same weights, batches and draws.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks import reference, timing
from eoinas import params, settings
from eoinas.data import nasbench201
from eoinas.data.batches import TrainBatches
from eoinas.models import ops
from eoinas.models.nasbench201 import SupernetBench201
from eoinas.nas import gumbel
from eoinas.spaces import registry
from eoinas.spaces.nasbench201 import EDGES
from eoinas.train import search, search_cifar

C, BATCH, SIDE, TURNS = 8, 64, 16, 40
SPACE = registry.space("nasbench201", nasbench201.OPERATIONS)


class Plain(nn.Module):
    """The supernet of ``models.nasbench201`` with one cell a stage, written plainly around the same weights."""

    def __init__(self, network: SupernetBench201):
        super().__init__()
        self.body = network.skeleton

    def forward(self, images: Tensor, index: Tensor, weights: Tensor) -> Tensor:
        """Drawn operations [1, E] and weights [1, E, O], one-hot; [B, 3, H, W] -> logits [B, classes]."""
        x = self.body.stem(images)
        for stage, (cell,) in enumerate(self.body.stages):
            if stage:
                block = self.body.blocks[stage - 1]
                x = block.second.op(block.first.op(x)) + block.short(x)
            values = [x]
            for node in (1, 2, 3):
                terms = []
                for edge, (i, j) in enumerate(EDGES):
                    operation = int(index[0, edge])
                    if j == node:
                        terms.append(_run(cell.edges[edge][operation], values[i]) * weights[0, edge, operation])
                values.append(sum(terms))
            x = values[3]
        return self.body.classifier(F.adaptive_avg_pool2d(F.relu(self.body.norm(x)), 1).flatten(1))


def _run(module: nn.Module, x: Tensor) -> Tensor:
    """An operation by its parts."""
    if isinstance(module, ops.ReLUConvBN):
        return module.op(x)
    if isinstance(module, ops.NormalisedPool):
        return module[1](module[0](x))
    return x * 0 if isinstance(module, ops.Zero) else x


def networks() -> tuple[SupernetBench201, Plain]:
    """A fast and a plain one of the same weights, each its own."""
    torch.manual_seed(0)
    fast, other = (SupernetBench201(SPACE, C, 3, 10, True) for _ in range(2))
    other.load_state_dict(fast.state_dict())
    return fast, Plain(other)


def halves() -> tuple[TrainBatches, TrainBatches]:
    """Batches of random images for w and for alpha."""
    images = torch.from_numpy(np.random.default_rng(0).integers(256, size=(4096, 3, SIDE, SIDE), dtype=np.uint8))
    labels, index = torch.arange(4096) % 10, torch.arange(4096)
    both = [(index[:2048], "w"), (index[2048:], "alpha")]
    first, second = (TrainBatches(images, labels, part, BATCH, 0, 4, 0, (0.5,) * 3, (0.25,) * 3, 0, name) for part, name in both)
    return first, second


def fast(network: SupernetBench201) -> timing.Work:
    """The project's own iteration."""
    values = params.read()
    numbers = settings.Resolver(values, "study", settings.top(values)).bench("eoinas")
    layout = torch.channels_last
    network = network.to(memory_format=layout)
    train, valid = halves()
    task = search.Task(
        lambda x, path: network(x.contiguous(memory_format=layout), path), network, train, valid, search_cifar.loss_and_accuracy
    )
    optimizer = torch.optim.SGD(network.parameters(), 0.025, 0.9, weight_decay=3e-4)
    architecture = search.Architecture(SPACE, numbers, 0)

    def iteration(turn: int) -> None:
        with timing.reproducible(True):
            step = turn % train.steps
            index, h = architecture.draw(gumbel.noise(SPACE.shape, torch.Generator().manual_seed(turn)), 5.0)
            device = torch.device("cpu")
            search.weight_step(task, optimizer, architecture.path(index, h, device, False), 1, step, reference.CLIP)
            search.alpha_step(task, architecture, architecture.path(index, h, device, True), 1, step, reference.CLIP)

    return iteration


def plain(network: Plain) -> timing.Work:
    """The reference's iteration."""
    alpha, living = nn.Parameter(torch.zeros(SPACE.shape)), torch.ones(SPACE.shape, dtype=torch.bool)
    owners = [
        (torch.optim.SGD(network.parameters(), 0.025, 0.9, weight_decay=3e-4), list(network.parameters())),
        (torch.optim.Adam([alpha], 3e-4, (0.5, 0.999)), [alpha]),
    ]
    both = halves()

    def iteration(turn: int) -> None:
        with timing.reproducible(False):
            tau = gumbel.noise(SPACE.shape, torch.Generator().manual_seed(turn))
            for batches, (optimizer, owned) in zip(both, owners, strict=True):
                images, labels = batches.get(1, turn % batches.steps)
                index, weights = reference.hard_weights(alpha, living, tau, 5.0)
                loss = F.cross_entropy(network(images, index, weights), labels)
                reference.descend(loss, network, alpha, optimizer, owned)

    return iteration


def main() -> None:
    torch.set_num_threads(1)
    report = timing.Report(
        "bench_step", f"Search step on NAS-Bench-201, C = {C}, one cell a stage, {SIDE} x {SIDE}", batch=BATCH, threads=1
    )
    ours, theirs = networks()
    times = timing.interleave({"fast": fast(ours), "plain": plain(theirs)}, TURNS)
    for name, seconds in times.items():
        ratio = timing.ratios(seconds, times["fast"]).text()
        report.row(
            **{"version": name, "s an iteration": timing.spread(seconds).text(), "n": len(seconds), "times the fast one": ratio}
        )
    report.target("fast, of plain", timing.ratios(times["fast"], times["plain"]), 0.7, False)
    report.write()


if __name__ == "__main__":
    main()
