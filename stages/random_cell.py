"""A cell drawn at random, scored by a short retraining: random search. Usage: python -m stages.random_cell SCALE SEED"""

from eoinas import checkpoint, files, genotype, params, runtime
from eoinas.data import imageset
from eoinas.data.images import SplitParams, halves
from eoinas.nas import derive
from eoinas.train import candidates


def main(scale: str, seed: str) -> None:
    settings = params.load(candidates.DeriveParams, scale, "derive")
    split = params.load(SplitParams, scale, "split")
    cell = derive.random(runtime.generator(params.seed(seed), "random cell"))
    source, title = f"data/prepared/{scale}/cifar10", f"{scale}/random/{seed}"
    device = runtime.device(settings.short.cpu_threads)
    images = halves(imageset.load(source), split, device)
    key = checkpoint.fingerprint([settings.model_dump(), split.model_dump(), genotype.plain(cell), seed, str(device)], [source])
    with checkpoint.Checkpoint(title.replace("/", "-"), key, settings.short.checkpoint_minutes) as states:
        accuracy = candidates.score_by_retraining(cell, images, settings, int(seed), title, states)
        with files.replacing_folder(f"results/{scale}/derive/random/{seed}") as folder:
            genotype.save(folder / "genotype.json", cell)
            files.write_json(folder / "score.json", {"accuracy": accuracy, "by": "retrain", "images": len(images.test)})


if __name__ == "__main__":
    runtime.run(main)
