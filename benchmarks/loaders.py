"""How many images a second the loaders bring, by the number of worker processes: ``python -m benchmarks.loaders [OUT.json]``.

Photographs are drawn by code at ImageNet's usual size, so that the numbers need no download; they come from the disk's cache, as
in a second epoch. A network that takes less time for a batch than the loader waits.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from eoinas import files, runtime
from eoinas.data.file_batches import Dataset, FileBatches
from eoinas.data.imagenet import Split
from eoinas.data.photos import Photos

WORKERS = (0, 1, 2)
IMAGES, WIDTH, HEIGHT = 64, 500, 375  # ImageNet's mean size
BATCH, WARMUP, STEPS = 16, 2, 12  # the workers' start is not measured


def main() -> None:
    torch.set_num_threads(1)
    results = {"device": runtime.device_name(), "cores": len(os.sched_getaffinity(0)), "images_per_second": {}}
    with tempfile.TemporaryDirectory() as folder:
        for name, dataset in datasets(Path(folder)).items():
            results["images_per_second"][name] = {str(workers): round(throughput(dataset, workers), 1) for workers in WORKERS}
            for workers, speed in results["images_per_second"][name].items():
                print(f"{name}, {workers} workers: {speed} images/s", flush=True)
    if len(sys.argv) > 1:
        files.write_json(sys.argv[1], results)


def datasets(folder: Path) -> dict[str, Dataset]:
    """What is measured, each with its files in ``folder``."""
    split = draw_photographs(folder)
    return {
        "ImageNet, training, 224 pixels": Photos(folder, split, 224, training=True),
        "ImageNet, evaluation, 224 pixels": Photos(folder, split, 224, training=False),
        "ImageNet, decoding alone": Decoded(folder, split),
    }


class Decoded:
    """Reads the JPEG and does nothing with it: what no transform can be faster than."""

    def __init__(self, folder: Path, split: Split):
        self._folder, self._split = folder, split

    def __len__(self) -> int:
        return len(self._split.paths)

    def sample(self, index: int, _seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The image's first pixel."""
        from eoinas.data import rgb

        return torch.tensor(rgb.read(self._folder / str(self._split.paths[index])).getpixel((0, 0))), torch.tensor(0)


def draw_photographs(folder: Path) -> Split:
    """JPEGs as large as photographs are: smooth colours with noise on them, about 110 kB each."""
    from PIL import Image

    source, names = np.random.default_rng(0), []
    for index in range(IMAGES):
        colours = Image.fromarray(source.integers(256, size=(6, 8, 3), dtype=np.uint8)).resize((WIDTH, HEIGHT))
        noise = source.normal(0, 12, size=(HEIGHT, WIDTH, 1))
        Image.fromarray((np.asarray(colours) + noise).clip(0, 255).astype(np.uint8)).save(folder / f"{index}.jpg", quality=90)
        names.append(f"{index}.jpg")
    return Split(np.array(names), np.zeros(IMAGES, np.int64), np.zeros(IMAGES, np.int64))


def throughput(dataset: Dataset, workers: int) -> float:
    """Images a second after a warm-up."""
    batches = FileBatches(dataset, BATCH, 0, "benchmark", workers, torch.device("cpu"))
    for step in range(WARMUP + STEPS):
        if step == WARMUP:
            start = time.perf_counter()
        batches.get(1 + step // batches.steps, step % batches.steps)
    return STEPS * BATCH / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
