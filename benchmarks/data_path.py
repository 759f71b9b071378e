"""Images a second of the augmentation, against PIL transforms through a DataLoader: ``python -m benchmarks.data_path``.

Both shuffle, crop, flip, normalise and cut out images of CIFAR's size and give batches of 128. An epoch of each is measured in
turn; the DataLoader's workers are started before and stay, and its epoch is shorter, for it is slower.
"""

import time

import numpy as np
import torch

from benchmarks import reference, timing
from eoinas.data.batches import TrainBatches

IMAGES, BATCH, PADDING, CUTOUT, TURNS = 50_000, 128, 4, 16, 5
PIL_IMAGES = 6_400


class Batched:
    """The project's batches of a whole data set on the device."""

    def __init__(self, images: np.ndarray):
        tensor = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
        labels, index = torch.zeros(len(images), dtype=torch.int64), torch.arange(len(images))
        self._batches = TrainBatches(
            tensor, labels, index, BATCH, 0, PADDING, CUTOUT, reference.MEAN, reference.STD, 0, "benchmark"
        )

    def speed(self, turn: int) -> float:
        """Images a second over an epoch, its order and draws included."""
        start = time.perf_counter()
        count = sum(len(self._batches.get(turn + 1, step)[1]) for step in range(self._batches.steps))
        return count / (time.perf_counter() - start)


class Pil:
    """A DataLoader of PIL transforms."""

    def __init__(self, images: np.ndarray, workers: int):
        dataset = reference.PilImages(images[:PIL_IMAGES], [0] * PIL_IMAGES, PADDING, CUTOUT)
        self._loader = torch.utils.data.DataLoader(
            dataset, BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0
        )

    def speed(self, _turn: int) -> float:
        """Images a second over an epoch."""
        start = time.perf_counter()
        count = sum(len(labels) for _, labels in self._loader)
        return count / (time.perf_counter() - start)


def main() -> None:
    count = timing.threads()
    images = np.random.default_rng(0).integers(256, size=(IMAGES, 32, 32, 3), dtype=np.uint8)
    sources = {"batched": Batched(images), "PIL, 2 workers": Pil(images, 2), "PIL, no workers": Pil(images, 0)}
    speeds: dict[str, list[float]] = {name: [] for name in sources}
    for turn in range(TURNS + 1):
        for name, source in sources.items():
            speed = source.speed(turn)
            if turn:  # in the first the workers start
                speeds[name].append(speed)
    report = timing.Report("data_path", "Augmentation of CIFAR images", dtype="float32", batch=BATCH, threads=count)
    for name, found in speeds.items():
        faster = timing.ratios(speeds["batched"], found).text()
        report.row(version=name, **{"images/s": timing.spread(found).text(5), "n": len(found), "batched is faster by": faster})
    report.target("batched over PIL, 2 workers", timing.ratios(speeds["batched"], speeds["PIL, 2 workers"]), 12)
    report.write()


if __name__ == "__main__":
    main()
