"""How fast street scenes are read, cropped and batched. Usage: python -m benchmarks.scene_loader SCALE

Prints crops a second for the search and for training, with no workers, as many as params.yaml has and as many as there are cores.
The data have to be prepared (`python -m stages.data_cityscapes SCALE`).
"""

import os
import time

import torch

from eoinas import params, runtime
from eoinas.data import cityscapes, crops
from eoinas.data.file_batches import FileBatches
from eoinas.train.search_seg import SegSearchParams
from eoinas.train.segment import SegTrainParams

SECONDS = 10


def crops_per_second(batches: FileBatches, batch_size: int) -> float:
    """After the first batch, which waits for the workers to start."""
    batches.get(1, 0)
    epoch, step, count, start = 1, 1, 0, time.monotonic()
    while time.monotonic() - start < SECONDS:
        if step == batches.steps:
            epoch, step = epoch + 1, 0
        batches.get(epoch, step)
        step, count = step + 1, count + 1
    return count * batch_size / (time.monotonic() - start)


def main(scale: str) -> None:
    scenes, device = cityscapes.load(scale), torch.device("cpu")
    pairs = scenes.split("train")
    print(f"{scale}: {len(pairs)} pictures, the first of {pairs[0].width}x{pairs[0].height} pixels, {os.cpu_count()} cores")
    for name, section in {"seg_search": SegSearchParams, "seg_train": SegTrainParams}.items():
        settings = params.load(section, scale, name)
        dataset = crops.Crops(scenes.root, pairs, settings.crops)
        for workers in sorted({0, settings.workers, os.cpu_count()}):
            batches = FileBatches(dataset, settings.batch_size, 0, "benchmark", workers, device)
            rate = crops_per_second(batches, settings.batch_size)
            print(f"{name}: crop {settings.crops.crop}, batch {settings.batch_size}, {workers} workers: {rate:.1f} crops/s")


if __name__ == "__main__":
    runtime.run(main)
