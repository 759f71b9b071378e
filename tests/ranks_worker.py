"""A small training for tests/test_ranks.py, in this process or under torch's launcher: OUT COUNT SYNC_BN STOP_AT KIND.

Writes OUT/weights.safetensors and OUT/history.csv, and OUT/rows-RANK.json, the samples that each rank got, and
OUT/buffers-RANK.json, the sum of its running statistics in each evaluation and at the end.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from eoinas import command, devices, ranks, weights
from eoinas.data.file_batches import FileBatches, in_order
from eoinas.genotype import parse
from eoinas.models.imagenet import NetworkImageNet
from eoinas.train import fit
from eoinas.train.image_loss import image_loss

SETTINGS = fit.FitParams(
    batch_size=4,
    momentum=0.9,
    weight_decay=3e-5,
    grad_clip=5.0,
    accumulate=1,
    precision="fp32",
    channels_last=False,
    compile=False,
    cpu_threads=1,
    allow_tf32=False,
    deterministic=True,
)
CELL = json.loads(Path(__file__).with_name("oracle.json").read_text())["cells"]["eoinas_cifar"]["genotype"]


SIDE = {"plain": 64, "dead": 64, "auxiliary": 100}


class Noise:
    """Random images in five classes, another noise on them for every seed."""

    def __init__(self, count: int, size: int = 64):
        self._images = torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(0))

    def __len__(self) -> int:
        return len(self._images)

    def sample(self, index: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        noise = torch.randn(self._images.shape[1:], generator=torch.Generator().manual_seed(seed))
        return self._images[index] + 0.1 * noise, torch.tensor(index % 5)


def loss(outputs: tuple, targets: torch.Tensor) -> tuple[torch.Tensor, int, torch.Tensor]:
    return image_loss(outputs, targets, 0.4)


def build(kind: str = "plain") -> torch.nn.Module:
    """A small network: ``auxiliary`` with that head, which normalises single values, ``dead`` with a node that nothing reads."""
    cell = parse(CELL, "oracle.json")
    if kind == "dead":
        cell = replace(cell, normal_concat=cell.normal_concat[:-1])
    torch.manual_seed(0)
    return NetworkImageNet(cell, 4, 3, 5, SIDE[kind], auxiliary=kind == "auxiliary")


class Stopping(FileBatches):
    """Has the last rank get SIGTERM at a step."""

    stop_at: tuple[int, int] | None = None

    def get(self, epoch: int, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        if (epoch, step) == self.stop_at:
            os.kill(os.getpid(), signal.SIGTERM)
        return super().get(epoch, step)


def main(out: str, count: str, sync_bn: str, stop_at: str, kind: str) -> None:
    group = ranks.join()
    device = devices.device(SETTINGS)
    folder, settings = Path(out), SETTINGS
    folder.mkdir(parents=True, exist_ok=True)
    dataset, network, sync = Noise(int(count), SIDE[kind]), build(kind), sync_bn == "true"
    batches = Stopping(dataset, settings.batch_size, 0, "test", 0, device, group, apart=not sync)
    if group.rank == group.world - 1 and stop_at != "never":
        batches.stop_at = (2, int(stop_at))

    buffers = []

    def note() -> None:
        buffers.append(sum(buffer.double().abs().sum().item() for buffer in network.buffers()))

    def evaluate(epoch: int, poll: Callable[[], None]) -> dict[str, float | int]:
        network.eval()
        note()
        poll()
        with torch.no_grad():
            right = sum((network(x)[0].argmax(1) == y).sum() for x, y in in_order(dataset, 3, 0, device, group))
        return {"right": int(group.sum(torch.as_tensor(right))), "epochs": epoch}

    with ranks.SharedCheckpoint(group, "ranks", "a" * 64, 60.0) as states:
        iterations = 2 * batches.steps
        task = fit.Task(network, SIDE[kind], batches, loss, lambda *_: 0.02, iterations, evaluate=evaluate, sync_bn=sync)
        log = fit.fit(task, settings, "ranks", states, group)
    rows = [batches.rows(epoch, step) for epoch in (1, 2) for step in range(batches.steps)]
    note()
    (folder / f"rows-{group.rank}.json").write_text(json.dumps(rows))
    (folder / f"buffers-{group.rank}.json").write_text(json.dumps(buffers))
    if group.rank == 0:
        weights.save(network, folder / "weights.safetensors")
        log.write(folder / "history.csv")


if __name__ == "__main__":
    sys.modules["__main__"].__spec__ or sys.exit("run as python -m tests.ranks_worker")
    command.run(main)
