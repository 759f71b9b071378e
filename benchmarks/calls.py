"""The calls of a step of the search, counted and not timed: ``python -m benchmarks.calls``.

A step on a GPU is bound by the launches of its kernels, and a call of an operator that computes is a launch, or a few. They are
counted on torch's "meta" device, where nothing is computed and torch goes the ways that it goes on a GPU: forward and backward
pass of a weight step and of an alpha step, averaged over draws in which every operation comes once on every edge. Views and
empty tensors are no calls here; clipping and the optimizer, which take all weights at once on a GPU, are left out.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks import reference, search_step, timing
from eoinas.models import path as paths

CASE = search_step.Case(batch=64)
SEEDS, MOST = 1, 2000  # the promise
META = torch.device("meta")
FREE = {"aten::empty", "aten::detach", "aten::alias", "aten::lift_fresh"}
PARTS = ("weight step, forward", "weight step, backward", "alpha step, forward", "alpha step, backward")
Forward = Callable[[Tensor, Tensor | None], Tensor]  # the drawn operations [2, E] and their weights [2, E] to logits


class Calls(TorchDispatchMode):
    """Counts the operators that compute."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        name = function._schema.name
        self.count += not (function.is_view or name in FREE or name.startswith("profiler::"))
        return function(*args, **(kwargs or {}))


def counted(work: Callable[[], Any]) -> tuple[int, Any]:
    """Calls of a work, and what it returns."""
    with Calls() as calls:
        found = work()
    return calls.count, found


def draws(seed: int) -> Iterator[Tensor]:
    """As many draws as there are operations, int64 [2, E]: from random ones on, every operation once on every edge."""
    cells, edges, operations = search_step.SPACE.shape
    start = torch.randint(operations, (cells, edges), generator=torch.Generator().manual_seed(seed))
    for turn in range(operations):
        yield (start + turn) % operations


def fast(network: nn.Module, images: Tensor) -> Forward:
    """The project's supernet."""
    zero = search_step.SPACE.zero
    return lambda index, weight: network(images, paths.sampled(index, weight, zero, images.device))


def plain(network: nn.Module, images: Tensor) -> Forward:
    """The reference, which has no step without the weights."""
    none = torch.ones(search_step.SPACE.shape[:2], device=images.device)

    def forward(index: Tensor, weight: Tensor | None) -> Tensor:
        live = reference.drawn_lists(index)
        rows = (none if weight is None else weight)[..., None].expand(search_step.SPACE.shape)
        return network(images, rows, live, reference.one_operation)

    return forward


def steps(forward: Forward, network: nn.Module, judge: Callable, targets: Tensor, index: Tensor) -> list[int]:
    """Calls of the four parts of an iteration with one draw."""
    counts = []
    for alpha in (False, True):
        weight = torch.ones(search_step.SPACE.shape[:2], device=targets.device, requires_grad=True) if alpha else None
        count, loss = counted(lambda weight=weight: judge(forward(index, weight), targets)[0])
        wanted = list(network.parameters()) if weight is None else [weight]
        back, _ = counted(lambda loss=loss, wanted=wanted: torch.autograd.grad(loss, wanted, allow_unused=True))
        counts += [count, back]
    return counts


def versions(case: search_step.Case) -> dict[str, Callable[[Tensor], list[int]]]:
    """What counts the calls of a draw, for both supernets."""
    found, layout = search_step.networks(case), torch.channels_last
    images, targets = (part.to(META) for part in found.batches[0])
    ours, theirs = found.fast.to(META, memory_format=layout), found.plain.to(META)
    return {
        "plain, one operation": partial(steps, plain(theirs, images), theirs, found.judge, targets),
        "fast, one operation": partial(steps, fast(ours, images.contiguous(memory_format=layout)), ours, found.judge, targets),
    }


def mean(count: Callable[[Tensor], list[int]], seeds: int) -> list[float]:
    """Mean calls of the four parts over the draws of so many seeds."""
    rows = [count(index) for seed in range(seeds) for index in draws(seed)]
    return torch.tensor(rows).double().mean(0).tolist()


def main() -> None:
    title = f"Calls of a search step, C = {CASE.C}, {CASE.cells} cells, batch {CASE.batch}"
    report = timing.Report("calls", title, draws=SEEDS * search_step.SPACE.shape[2])
    for name, count in versions(CASE).items():
        parts = mean(count, SEEDS)
        report.row(
            version=name, **{part: f"{calls:.0f}" for part, calls in zip(PARTS, parts, strict=True)}, all=f"{sum(parts):.0f}"
        )
    report.target("calls of a search step", timing.spread([sum(parts)]), MOST, False, "")
    report.remarks = [
        "Operators that compute, forward and backward, on torch's meta device, which goes the ways of a GPU; views, clipping and "
        "the optimizer do not count. Mean over draws in which every operation comes equally often on every edge."
    ]
    report.write()


if __name__ == "__main__":
    main()
