"""What the checkpoints of a search at study scale cost: ``python -m benchmarks.checkpoint_cost``.

A search of the study's size runs a few steps on images drawn at random and saves its whole state after each, with the code that
the stage saves with. The promise is about the share of the time that saving takes: one save a period of ``checkpoint_minutes``.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks import search_step, timing
from benchmarks.search_step import Fixed
from eoinas import params
from eoinas.checkpoint import Checkpoint
from eoinas.train import search, search_cifar

STEPS = 8


class Timed(Checkpoint):
    """Saves whenever it is offered a state, and keeps the seconds of each and of the steps between."""

    def __init__(self, folder: Path):
        super().__init__("benchmark", "", 0.0)
        self._set_folder(folder)
        self.saves: list[float] = []
        self.steps: list[float] = []
        self.size = 0.0
        self._last = time.perf_counter()

    def offer(self, state: Callable[[], dict]) -> None:
        """Save, and note how long it took."""
        start = time.perf_counter()
        self.steps.append(start - self._last)
        super().offer(state)
        self._last = time.perf_counter()
        self.saves.append(self._last - start)
        self.size = (self._folder / "newest.pt").stat().st_size / 2**20


class Steps(Fixed):
    """A batch for an epoch of a few steps."""

    steps = STEPS


def run(settings: search_cifar.SearchCifarParams, folder: Path) -> Timed:
    """The search's first steps, weights and alpha."""
    network = search_cifar.build(settings, 10).to(memory_format=torch.channels_last)
    batches = [Steps((torch.randn(settings.batch_size, 3, 32, 32), torch.randint(10, (settings.batch_size,)))) for _ in range(2)]
    task = search.Task(
        lambda inputs, path: network(inputs.contiguous(memory_format=torch.channels_last), path),
        network,
        *batches,
        search_cifar.loss_and_accuracy,
    )
    short = settings.model_copy(update={"epochs": 1, "warmup": 0, "slimming": False})
    with Timed(folder) as states:
        search.search(task, network.space, short, 0, "benchmark", states)
    return states


def main() -> None:
    count = timing.threads()
    settings = search_step.numbers("study")
    with tempfile.TemporaryDirectory() as folder:
        found = run(settings, Path(folder) / "states")
    saves, steps = timing.spread(found.saves[1:]), timing.spread(found.steps[1:])
    report = timing.Report(
        "checkpoint_cost",
        f"Checkpoints of a search at study scale, C = {settings.C}, {settings.layers} cells",
        dtype="float32",
        batch=settings.batch_size,
        threads=count,
    )
    period = 60 * params.machine("study", "search").checkpoint_minutes
    total = steps.median * settings.epochs * -(-settings.epoch_images // settings.batch_size)
    share = timing.spread([100 * save / period for save in found.saves[1:]])
    report.row(
        **{"one save, s": saves.text(), "n": saves.n, "state, MB": found.size, "one iteration, s": steps.text()},
        **{"period, s": period, "search, s": f"{total:.0f}", "saves in it": int(total // period)},
    )
    report.target("time spent on checkpoints, of a period", share, 2, False, "%")
    report.remarks = [
        "The search's time is an iteration's times their number; the first epochs have no alpha step and take less."
    ]
    report.write()


if __name__ == "__main__":
    main()
