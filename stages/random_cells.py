"""Cells drawn at random, each scored by a short retraining: random search. Usage: python -m stages.random_cells SCALE"""

from functools import partial
from pathlib import Path

from eoinas import checkpoint, command, devices, formats, genotype, params, seeds
from eoinas.data import imageset
from eoinas.data.images import SplitParams, halves
from eoinas.nas import derive
from eoinas.train import candidates


def main(scale: str) -> None:
    name, source = f"{scale}/derive/random", f"data/prepared/{scale}/cifar10"
    settings = params.load(candidates.DeriveParams, scale, "derive")
    split = params.load(SplitParams, scale, "split")
    device = devices.device(settings.short.cpu_threads)
    images = halves(imageset.load(source), split, device)

    def score(seed: int, states: checkpoint.Checkpoint, folder: Path) -> None:
        cell = derive.random(seeds.generator(seed, "random cell"))
        accuracy = candidates.score_by_retraining(cell, images, settings, seed, f"{name}/{seed}", states)
        genotype.save(folder / "genotype.json", cell)
        formats.write_json(folder / "score.json", {"accuracy": accuracy, "by": "retrain", "images": len(images.test)})

    key = checkpoint.fingerprint([settings.model_dump(), split.model_dump(), str(device)], [source])
    with checkpoint.Checkpoint(name.replace("/", "-"), key, 10.0) as states:
        states.parts(f"results/{name}", {str(seed): partial(score, seed) for seed in params.top().seeds})


if __name__ == "__main__":
    command.run(main)
