"""The cell of one finished search, and its score on the alpha half. Usage: python -m stages.derive SCALE VARIANT SEED"""

from eoinas import checkpoint, files, genotype, params, runtime
from eoinas.data import imageset
from eoinas.data.images import SplitParams, halves
from eoinas.train import candidates, search, search_cifar


def main(scale: str, variant: str, seed: str) -> None:
    name = f"{params.choice(variant, search.VARIANTS, 'variant')}/{params.seed(seed)}"
    settings = params.load(candidates.DeriveParams, scale, "derive")
    network = params.load(search_cifar.SearchCifarParams, scale, "search")
    split = params.load(SplitParams, scale, "split")
    source, finished = f"data/prepared/{scale}/cifar10", f"results/{scale}/search/{name}"
    cell = candidates.derive_cell(f"{finished}/trace.npz", settings.edge_rank)
    device = runtime.device(settings.short.cpu_threads)
    images = halves(imageset.load(source), split, device)
    if settings.by == "supernet":
        accuracy = search_cifar.score(cell, f"{finished}/supernet.safetensors", images, network, settings.eval_batch_size)
    else:
        title = f"{scale}/derive/{name}"
        key = checkpoint.fingerprint(
            [settings.model_dump(), split.model_dump(), genotype.plain(cell), seed, str(device)], [source]
        )
        with checkpoint.Checkpoint(title.replace("/", "-"), key, settings.short.checkpoint_minutes) as states:
            accuracy = candidates.score_by_retraining(cell, images, settings, int(seed), title, states)
    with files.replacing_folder(f"results/{scale}/derive/{name}") as folder:
        genotype.save(folder / "genotype.json", cell)
        files.write_json(folder / "score.json", {"accuracy": accuracy, "by": settings.by, "images": len(images.test)})


if __name__ == "__main__":
    runtime.run(main)
