"""Search: Algorithm 1 on CIFAR-10 with one variant, several seeds in turn. Usage: python -m stages.search SCALE VARIANT SEEDS"""

from functools import partial
from pathlib import Path

import numpy as np

from eoinas import checkpoint, command, devices, formats, params, weights
from eoinas.data import imageset
from eoinas.data.images import SplitParams, halves
from eoinas.train import search, search_cifar


def main(scale: str, variant: str, seeds: str) -> None:
    name, numbers = f"search/{params.choice(variant, search.VARIANTS, 'variant')}", params.numbers(seeds)
    settings = params.load(search_cifar.SearchCifarParams, scale, "search")
    split = params.load(SplitParams, scale, "split")
    row = search.VARIANTS[variant]
    weight = params.lambda_() if row.indicator else 0.0
    device, source = devices.device(settings.cpu_threads), f"data/prepared/{scale}/cifar10"
    images = halves(imageset.load(source), split, device)

    def run(seed: int, states: checkpoint.Checkpoint, folder: Path) -> None:
        network, result = search_cifar.run(images, settings, row, weight, seed, f"{scale}/{name}/{seed}", states)
        weights.save(network, folder / "supernet.safetensors")
        result.log.write(folder / "history.csv")
        np.savez(folder / "trace.npz", **result.trace)
        # Rounded to 86 s, so that short searches give the same bytes on every run.
        cost = {"days": round(result.log.seconds / 86400, 3), "device": devices.device_name()}
        formats.write_json(folder / checkpoint.TIMING, cost)

    key = checkpoint.fingerprint([settings.model_dump(), split.model_dump(), row, weight, str(device)], [source])
    with checkpoint.Checkpoint(f"{scale}-search-{variant}-{seeds}", key, settings.checkpoint_minutes) as states:
        works = {str(seed): partial(run, seed) for seed in numbers}
        states.parts(f"results/{scale}/{name}/{seeds}", works, f"results/{scale}/timing/{name}/{seeds}")


if __name__ == "__main__":
    command.run(main)
