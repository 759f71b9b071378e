"""Search: Algorithm 1 on CIFAR-10 with one variant and one seed. Usage: python -m stages.search SCALE VARIANT SEED"""

import numpy as np

from eoinas import checkpoint, files, params, runtime, weights
from eoinas.data import imageset
from eoinas.data.images import SplitParams, halves
from eoinas.train import search, search_cifar


def main(scale: str, variant: str, seed: str) -> None:
    name = f"{scale}/search/{params.choice(variant, search.VARIANTS, 'variant')}/{params.seed(seed)}"
    settings = params.load(search_cifar.SearchCifarParams, scale, "search")
    split = params.load(SplitParams, scale, "split")
    row = search.VARIANTS[variant]
    weight = params.lambda_() if row.indicator else 0.0
    device, source = runtime.device(settings.cpu_threads), f"data/prepared/{scale}/cifar10"
    images = halves(imageset.load(source), split, device)
    key = checkpoint.fingerprint([settings.model_dump(), split.model_dump(), row, weight, seed, str(device)], [source])
    with checkpoint.Checkpoint(name.replace("/", "-"), key, settings.checkpoint_minutes) as states:
        network, result = search_cifar.run(images, settings, row, weight, int(seed), name, states)
        with files.replacing_folder(f"results/{name}") as folder:
            weights.save(network, folder / "supernet.safetensors")
            result.log.write(folder / "history.csv")
            np.savez(folder / "trace.npz", **result.trace)
        # Rounded to 86 s, so that short searches give the same bytes on every run.
        cost = {"days": round(result.log.seconds / 86400, 3), "device": runtime.device_name()}
        files.write_json(f"results/{scale}/timing/search/{variant}/{int(seed)}.json", cost)


if __name__ == "__main__":
    runtime.run(main)
