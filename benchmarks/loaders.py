"""How many samples a second the loaders bring from files, by the number of workers: ``python -m benchmarks.loaders``.

Photographs and street scenes are drawn by code in the usual sizes, so that the numbers need no download; the files come from the
disk's cache, as in a second epoch. A network that takes less time for a batch than its loader waits.
"""

import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from benchmarks import timing
from eoinas import files, params, settings
from eoinas.data import cityscapes, crops, scene_cache, streets
from eoinas.data.file_batches import Dataset, FileBatches
from eoinas.data.imagenet import Split
from eoinas.data.photos import Photos

WORKERS, TURNS = (0, 2), 3
IMAGES, WIDTH, HEIGHT, IMAGE_SIZE = 64, 500, 375, 224  # ImageNet's mean size
SCENES, SCENE, CITYSCAPES = 8, (2048, 1024), 2975


class Loader(NamedTuple):
    """A data set, and how much of it is measured in a turn."""

    name: str
    dataset: Dataset
    batch: int
    steps: int


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


def draw_scenes(folder: Path) -> list[cityscapes.Pair]:
    """Street scenes of Cityscapes' size."""
    streets.write(folder, {"train": SCENES}, *SCENE, 0)
    images, labels = (
        sorted(path.relative_to(folder).as_posix() for path in (folder / half).rglob("*.png"))
        for half in (cityscapes.IMAGES, cityscapes.LABELS)
    )
    return [cityscapes.Pair("train", *names, *SCENE, 0, 0) for names in zip(images, labels, strict=True)]


def loaders(folder: Path) -> list[Loader]:
    """What is measured, each with its files in ``folder``."""
    photos = draw_photographs(folder)
    train = settings.resolve(params.read(), params.BASE)["seg_train"].train
    pairs = draw_scenes(folder)
    side, crop = IMAGE_SIZE, train.crops.crop
    return [
        Loader(f"photographs, training, {side} pixels", Photos(folder, photos, side, training=True), 16, 8),
        Loader(f"photographs, evaluation, {side} pixels", Photos(folder, photos, side, training=False), 16, 8),
        Loader("photographs, decoding alone", Decoded(folder, photos), 16, 8),
        Loader(f"scenes, crop {crop}", crops.Crops(folder, pairs, train.crops), train.batch_size, 8),
        Loader(f"scenes, crop {crop}, cache", crops.Crops(folder, pairs, train.crops, folder / "cache"), train.batch_size, 8),
    ]


class Running:
    """A loader that is being read; its workers stay."""

    def __init__(self, loader: Loader, workers: int):
        self._loader, self._ahead = loader, 2 * workers  # so many batches does torch have read ahead
        self._batches = FileBatches(loader.dataset, loader.batch, 0, "benchmark", workers, torch.device("cpu"))
        self._step = 0

    def speed(self) -> float:
        """Samples a second, without those that were ready before the turn."""
        self._read(self._ahead)
        start = time.perf_counter()
        self._read(self._loader.steps)
        return self._loader.steps * self._loader.batch / (time.perf_counter() - start)

    def _read(self, count: int) -> None:
        for step in range(self._step, self._step + count):
            self._batches.get(1 + step // self._batches.steps, step % self._batches.steps)
        self._step += count


def main() -> None:
    torch.set_num_threads(1)  # as in a worker
    report = timing.Report("loaders", "Samples from files", batch="photographs 16, scenes 4")
    with tempfile.TemporaryDirectory() as name:
        measured = loaders(Path(name))
        running = {(loader.name, workers): Running(loader, workers) for loader in measured for workers in WORKERS}
        for each in running.values():  # starts the workers, and fills the cache
            each.speed()
        speeds: dict[tuple[str, int], list[float]] = {key: [] for key in running}
        for _ in range(TURNS):
            for key, each in running.items():
                speeds[key].append(each.speed())
    for (loader, workers), found in speeds.items():
        report.row(data=loader, workers=workers, **{"samples/s": timing.spread(found).text(), "n": len(found)})
    held = files.in_units(scene_cache.size([cityscapes.Pair("train", "", "", *SCENE, 0, 0)] * CITYSCAPES))
    report.remarks = [f"The cache (cityscapes_data.cache) takes {held} for the {CITYSCAPES:,} scenes that Cityscapes trains on."]
    report.write()


if __name__ == "__main__":
    main()
