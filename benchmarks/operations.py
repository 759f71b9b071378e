"""Each operation by itself, as it is and by torch.compile: ``python -m benchmarks.operations``.

A sampled path changes with every step, so that a compiler can only have what repeats: the operations. One run is forward and
backward, for the gradients of the input and of the weights, at the size of the search's first cells, channels_last.
"""

import time

import torch
from torch import nn

from benchmarks import timing
from benchmarks.timing import Work
from eoinas.genotype import INPUTS, NODES
from eoinas.models import ops
from eoinas.models.ops import PAPER as OPERATIONS
from eoinas.spaces.darts import EDGES
from eoinas.spaces.space import NONE

C, BATCH, SIZE, TURNS, RUNS = 16, 32, 32, 7, 5


def build(name: str) -> nn.Module:
    """The operation of the supernet, stride 1."""
    torch.manual_seed(0)
    operation = ops.build(name, C, 1, affine=False, pool_bn=True)
    return operation.to(memory_format=torch.channels_last).train()


def work(operation: nn.Module) -> Work:
    """A few runs of it."""
    x = torch.randn(BATCH, C, SIZE, SIZE).contiguous(memory_format=torch.channels_last).requires_grad_()
    gradient = torch.randn_like(x)
    wanted = [x, *operation.parameters()]

    def run(_turn: int) -> None:
        for _ in range(RUNS):
            torch.autograd.grad(operation(x), wanted, gradient)

    return run


def shared() -> float:
    """On how many edges of a cell, drawn uniformly, the depthwise convolution could share a call with another edge's.

    Edges from the same node whose operations have the same kernel and dilation could.
    """
    kinds = sum("conv" in name for name in OPERATIONS)
    p = 1 / len(OPERATIONS)
    leaving = [sum(source == node for source, _ in EDGES) for node in range(INPUTS + NODES)]
    return sum(kinds * (count * p - (1 - (1 - p) ** count)) for count in leaving)


def main() -> None:
    title = f"Operations, C = {C}, {SIZE} x {SIZE} pixels, batch {BATCH}, forward and backward"
    report = timing.Report("operations", title, dtype="float32", threads=timing.threads())
    for name in OPERATIONS:
        if name in (NONE, "skip_connect"):  # they do not calculate
            continue
        works = {"as it is": work(build(name)), "compiled": work(torch.compile(build(name)))}
        start = time.perf_counter()
        works["compiled"](0)
        compiling = time.perf_counter() - start
        times = timing.interleave(works, TURNS)
        milliseconds = {version: timing.spread([1000 * each / RUNS for each in found]) for version, found in times.items()}
        report.row(
            operation=name,
            **{f"{version}, ms": found.text() for version, found in milliseconds.items()},
            **{"compiled is faster by": timing.ratios(times["as it is"], times["compiled"]).text(), "n": TURNS},
            **{"first call of the compiled, s": compiling},
        )
    report.remarks = [
        f"One call for the depthwise convolutions of edges with one input and kernel would spare {shared():.1f} calls of a cell "
        f"with {len(EDGES)} edges, and was not built. The two steps of an iteration see other images with other weights: they "
        "cannot share a forward pass."
    ]
    report.write()


if __name__ == "__main__":
    main()
