"""The step of the search, against plain versions: ``python -m benchmarks.search_step``.

One iteration is a weight step and an alpha step, optimizers included, on batches that are ready. The fast one is what
``eoinas.train.search`` runs, with reproducible arithmetic as in the stages; the plain ones are in ``benchmarks.reference``. All
see the same weights, batches and draws. With k live operations an edge, turn t draws the live operation number t mod k, counted
from another start on each edge, so that in k turns every operation runs once on every edge.
"""

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from benchmarks import reference, timing
from benchmarks.timing import Work
from eoinas import params, settings
from eoinas.models import cpu
from eoinas.models import path as paths
from eoinas.models.ops import PAPER as OPERATIONS
from eoinas.nas import gumbel
from eoinas.spaces import registry
from eoinas.train import search, search_cifar

SPACE = registry.space("darts", OPERATIONS)
TEMPERATURE = 5.0
CPU = torch.device("cpu")
TURNS, SOFT_TURNS = 8, {8: 2, 4: 2, 2: 2}


class Case(NamedTuple):
    """Size of what is run: C channels in the first cell, cells, batch, side of the images, live operations an edge."""

    C: int = 16
    cells: int = 8
    batch: int = 32
    size: int = 32
    live: int = len(OPERATIONS)


class Networks(NamedTuple):
    """A fast supernet and the plain one of the same weights, with the data and the judgement that they are run on."""

    fast: nn.Module
    plain: nn.Module
    batches: tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]  # training, validation
    judge: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]  # loss, accuracy


def networks(case: Case, dtype: torch.dtype = torch.float32, device: torch.device = CPU) -> Networks:
    """The supernet for CIFAR."""
    torch.manual_seed(0)
    fast, plain = SPACE.supernet(case.C, case.cells, 10, pool_bn=True), reference.Supernet(case.C, case.cells, 10)
    plain.load_state_dict(fast.state_dict())
    images = torch.randn(2, case.batch, 3, case.size, case.size, dtype=dtype).to(device)
    targets = torch.randint(10, (2, case.batch)).to(device)
    batches = tuple(zip(images, targets, strict=True))
    return Networks(fast.to(device, dtype), plain.to(device, dtype), batches, search_cifar.loss_and_accuracy)


def alive(live: int) -> Tensor:
    """Which operations live, drawn once for each edge: bool [2, E, O]."""
    rank = torch.rand(SPACE.shape, generator=torch.Generator().manual_seed(live)).argsort(-1).argsort(-1)
    return rank < live


def draw(living: Tensor, turn: int) -> Tensor:
    """Gumbel noise [2, E, O] under which, with alpha = 0, the operations of this turn are drawn."""
    tau = gumbel.noise(SPACE.shape, torch.Generator().manual_seed(turn))
    live = int(living[0, 0].sum())
    position = (torch.arange(SPACE.shape[0] * SPACE.shape[1]).view(SPACE.shape[:2]) + turn) % live
    chosen = living.int().argsort(dim=-1, descending=True, stable=True).gather(-1, position[..., None])  # [2, E, 1]
    largest = tau.masked_fill(~living, -torch.inf).argmax(-1, keepdim=True)
    swapped = tau.clone().scatter_(-1, largest, tau.gather(-1, chosen))
    return swapped.scatter_(-1, chosen, tau.gather(-1, largest))


class Fixed:
    """One batch, again and again."""

    steps = 1

    def __init__(self, batch: tuple[Tensor, Tensor]):
        self._batch = batch

    def get(self, _epoch: int, _step: int) -> tuple[Tensor, Tensor]:
        """The batch."""
        return self._batch


@functools.cache
def numbers(scale: str = "paper") -> search_cifar.SearchCifarParams:
    """The numbers of a scale; alpha starts at 0, so that ``draw`` decides."""
    values = params.read()
    return settings.resolve(values, scale)[f"derive/{values['main_variant']}"].search


def fast(found: Networks, live: int) -> Work:
    """The project's own iteration."""
    layout = torch.channels_last
    network = found.fast.to(memory_format=layout)
    train, valid = (Fixed(batch) for batch in found.batches)
    task = search.Task(
        lambda inputs, path: network(inputs.contiguous(memory_format=layout), path),
        network,
        train,
        valid,
        found.judge,
    )
    optimizer = _sgd(network)
    architecture = search.Architecture(SPACE, numbers(), 0)
    architecture.alive = alive(live)
    device = found.batches[0][0].device

    def iteration(turn: int) -> None:
        with timing.reproducible(True):
            index, h = architecture.draw(draw(architecture.alive, turn), TEMPERATURE)
            path = architecture.path(index, h, device, gradient=False)
            search.weight_step(task, optimizer, path, 1, 0, reference.CLIP)
            path = architecture.path(index, h, device, gradient=True)
            search.alpha_step(task, architecture, path, 1, 0, reference.CLIP)

    return iteration


def plain(found: Networks, live: int, soft: bool) -> Work:
    """The reference's iteration: the soft sum, or one operation an edge."""
    network, living = found.plain, alive(live)
    alpha = nn.Parameter(torch.zeros(SPACE.shape))
    owners = [(_sgd(network), list(network.parameters())), (torch.optim.Adam([alpha], 3e-4, (0.5, 0.999)), [alpha])]

    def iteration(turn: int) -> None:
        with timing.reproducible(False):
            for (inputs, targets), (optimizer, owned) in zip(found.batches, owners, strict=True):
                logits = run_plain(network, inputs, alpha, living, None if soft else draw(living, turn))
                reference.descend(found.judge(logits, targets)[0], network, alpha, optimizer, owned)

    return iteration


def run_plain(network: nn.Module, inputs: Tensor, alpha: Tensor, living: Tensor, tau: Tensor | None) -> Tensor:
    """Logits of a plain supernet; without ``tau`` the soft sum."""
    if tau is None:
        weights = reference.soft_weights(alpha, living)
        return network(inputs, weights.to(inputs), reference.live_lists(living), reference.soft_sum)
    index, weights = reference.hard_weights(alpha, living, tau, TEMPERATURE)
    return network(inputs, weights.to(inputs), reference.drawn_lists(index), reference.one_operation)


def _sgd(network: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(network.parameters(), 0.025, 0.9, weight_decay=3e-4)


class Gradients(NamedTuple):
    """What one draw gives: the loss, and its gradients in w and alpha, each as one row."""

    loss: Tensor
    w: Tensor
    alpha: Tensor

    def difference(self, other: "Gradients") -> "Gradients":
        """Relative, in the 2-norm."""
        parts = [((a.double() - b.double()).norm() / b.double().norm()) for a, b in zip(self, other, strict=True)]
        return Gradients(*parts)


def gradients(found: Networks, live: int, turn: int, plain: bool, layout: torch.memory_format) -> Gradients:
    """Loss and gradients of the fast or the plain supernet for the turn's draw; only the fast one takes a layout."""
    living, (inputs, targets) = alive(live), found.batches[0]
    alpha, tau = torch.zeros(SPACE.shape, requires_grad=True), draw(living, turn)
    if plain:
        network, logits = found.plain, run_plain(found.plain, inputs, alpha, living, tau)
    else:
        network = found.fast.to(memory_format=layout)
        h = gumbel.relax(alpha, living, tau, TEMPERATURE)
        index = h.detach().argmax(-1)
        path = paths.sampled(index, gumbel.straight_through(h, index).to(inputs.dtype), SPACE.zero)
        logits = network(inputs.contiguous(memory_format=layout), path)
    loss, _ = found.judge(logits, targets)
    grad, *grads = torch.autograd.grad(loss, [alpha, *network.parameters()], materialize_grads=True)
    return Gradients(loss.detach(), torch.cat([each.flatten() for each in grads]), grad.flatten())


def works(found: Networks, live: int) -> dict[str, Work]:
    """What takes turns."""
    return {
        "fast, one operation": fast(found, live),
        "plain, one operation": plain(found, live, soft=False),
        "plain, soft sum": plain(found, live, soft=True),
    }


def memory_turns(name: str) -> int:
    """Iterations for the memory: the soft sum always needs as much, sampled paths more or less."""
    return 1 if "soft" in name else 3


def compare(report: timing.Report, found: Networks, live: int, module: str, turns: int, soft: int) -> dict[str, list[float]]:
    """Measure a case into the table; returns the times. The plain sampled path costs the same whatever lives: one row will do."""
    todo = works(found, live)
    if live < len(OPERATIONS):
        del todo["plain, one operation"]
    times = timing.interleave(todo, turns, {"plain, soft sum": soft})
    for name, seconds in times.items():
        report.row(
            **{
                "live operations": live,
                "version": name,
                "s an iteration": timing.spread(seconds).text(),
                "n": len(seconds),
                "times the fast one": timing.ratios(seconds, times["fast, one operation"]).text(),
                "MB": f"{timing.peak_memory(module, str(live), name):.0f}",
            }
        )
    return times


def promises(report: timing.Report, live: int, times: dict[str, list[float]], over_plain: float, over_soft: float) -> None:
    """The two ratios and the memory."""
    first = times["fast, one operation"]
    for name, bound in (("plain, one operation", over_plain), ("plain, soft sum", over_soft)):
        report.target(f"fast over {name}, {live} live operations", timing.ratios(times[name], first), bound)
    memory = {row[1]: float(row[-1]) for row in report.rows if row[0] == str(live)}
    others = min(value for name, value in memory.items() if not name.startswith("fast"))
    report.target("memory, of the leaner plain version", timing.spread([memory["fast, one operation"] / others]), 1, False)


@contextmanager
def dilated_whole() -> Iterator[None]:
    """Dilated convolutions by torch's own kernel, not in parts."""
    before, cpu.dilated = cpu.dilated, lambda x, conv: conv(x)
    try:
        yield
    finally:
        cpu.dilated = before


def agree(report: timing.Report, case: Case) -> None:
    """How far the numbers of fast and plain differ on one draw.

    In one layout, and with dilated convolutions whole, both take the same kernels, and float32 tells. Otherwise sums round
    differently; a ReLU whose input is within rounding of 0 then opens in one and not in the other, and at this depth that is a
    percent of the gradient. So float64 tells whether the mathematics is the same, and float32 how far each is from that.
    """
    nchw, last = torch.contiguous_format, torch.channels_last
    single, double = (networks(case, dtype) for dtype in (torch.float32, torch.float64))
    plain, exact = (gradients(found, case.live, 1, True, nchw) for found in (single, double))
    with dilated_whole():
        same = gradients(single, case.live, 1, False, nchw)
    fast = gradients(single, case.live, 1, False, last)
    found = {
        "float32, same kernels": same.difference(plain),
        "float64, channels_last": gradients(double, case.live, 1, False, last).difference(exact),
    }
    for name, difference in found.items():
        for field, value in difference._asdict().items():
            what = field if field == "loss" else f"gradient of {field}"
            report.target(f"fast from plain, {name}: relative difference of the {what}", one(value), 1e-5, False, "")
    report.target("fast from plain, float32, channels_last: of the loss", one(fast.difference(plain).loss), 1e-5, False, "")
    ours, theirs = fast.difference(exact), plain.difference(exact)
    report.target("error of the fast gradient of w in float32, of the plain one's", one(ours.w / theirs.w), 2, False)


def one(value: Tensor) -> timing.Spread:
    """A number that is no statistic."""
    return timing.spread([float(value)])


REMARKS = [
    "MB: growth of the resident memory of a fresh process over its imports, at its peak.",
    "The fast version runs with reproducible arithmetic, the plain ones with torch's defaults.",
]


def main() -> None:
    count, case = timing.threads(), Case()
    if sys.argv[1:2] == [timing.MEMORY]:
        live, name = int(sys.argv[2]), sys.argv[3]
        return timing.print_growth(lambda: works(networks(case), live)[name], memory_turns(name))
    title = f"Search step, C = {case.C}, {case.cells} cells, batch {case.batch}"
    report = timing.Report("search_step", title, dtype="float32", batch=case.batch, threads=count)
    agree(report, case._replace(batch=8))
    for live, soft in SOFT_TURNS.items():
        times = compare(report, networks(case), live, "benchmarks.search_step", TURNS, soft)
        if live == case.live:
            promises(report, live, times, 2.1, 15)
    report.remarks = REMARKS
    report.write()


if __name__ == "__main__":
    main()
