"""Train one entry's network from scratch, once. Usage: python -m stages.retrain SCALE DATA ENTRY RUN"""

import numpy as np

from eoinas import checkpoint, entries, files, genotype, params, runtime, weights
from eoinas.data import imageset
from eoinas.data.images import standard_split
from eoinas.train import classify


def main(scale: str, data: str, entry: str, run: str) -> None:
    name = f"{scale}/retrain/{data}/{entry}/{params.seed(run)}"
    settings = params.load(classify.RetrainParams, scale, "retrain")
    cell, cutout = entries.load(f"results/{scale}/entries/{data}/{entry}.json")
    device, source = runtime.device(settings.cpu_threads), f"data/prepared/{scale}/{data}"
    images = standard_split(imageset.load(source), device)
    key = checkpoint.fingerprint([settings.model_dump(), genotype.plain(cell), cutout, run, str(device)], [source])
    with checkpoint.Checkpoint(name.replace("/", "-"), key, settings.checkpoint_minutes) as states:
        result = classify.train(cell, images, settings, cutout, int(run), name, states)
        with files.replacing_folder(f"results/{name}") as folder:
            weights.save(result.network, folder / "weights.safetensors")
            result.log.write(folder / "history.csv")
            np.save(folder / "predictions.npy", result.predictions.numpy().astype(np.int16))
            files.write_json(folder / "result.json", classify.summary(result, images, imageset.source(source)))


if __name__ == "__main__":
    runtime.run(main)
