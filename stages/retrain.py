"""Train one entry's network from scratch, a run or several in turn. Usage: python -m stages.retrain SCALE DATA ENTRY RUNS"""

from functools import partial
from pathlib import Path

import numpy as np

from eoinas import checkpoint, command, devices, entries, formats, genotype, params, weights
from eoinas.data import imageset
from eoinas.data.images import standard_split
from eoinas.train import classify


def main(scale: str, data: str, entry: str, runs: str) -> None:
    name, numbers = f"{scale}/retrain/{data}/{entry}", params.numbers(runs)
    settings = params.load(classify.RetrainParams, scale, "retrain")
    cell, cutout = entries.load(f"results/{scale}/entries/{data}/{entry}.json")
    device, source = devices.device(settings.cpu_threads), f"data/prepared/{scale}/{data}"
    images = standard_split(imageset.load(source), device)

    def train(run: int, states: checkpoint.Checkpoint, folder: Path) -> None:
        result = classify.train(cell, images, settings, cutout, run, f"{data}/{entry}", f"{name}/{run}", states)
        weights.save(result.network, folder / "weights.safetensors")
        result.log.write(folder / "history.csv")
        formats.write_array(folder / "predictions.npy", result.predictions.numpy().astype(np.int16))
        formats.write_json(folder / "result.json", classify.summary(result, images, imageset.source(source)))

    key = checkpoint.fingerprint([settings.model_dump(), genotype.plain(cell), cutout, str(device)], [source])
    with checkpoint.Checkpoint(f"{name}/{runs}".replace("/", "-"), key, 10.0) as states:
        states.parts(f"results/{name}/{runs}", {str(run): partial(train, run) for run in numbers})


if __name__ == "__main__":
    command.run(main)
