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

    def write(accuracy: float) -> None:
        with files.replacing_folder(f"results/{scale}/derive/{name}") as folder:
            genotype.save(folder / "genotype.json", cell)
            files.write_json(folder / "score.json", {"accuracy": accuracy, "by": settings.by, "images": len(images.test)})

    if settings.by == "supernet":
        write(search_cifar.score(cell, f"{finished}/supernet.safetensors", images, network, settings.eval_batch_size))
        return
    title = f"{scale}/derive/{name}"
    what = [settings.model_dump(), split.model_dump(), genotype.plain(cell), seed, str(device)]
    with checkpoint.Checkpoint(
        title.replace("/", "-"), checkpoint.fingerprint(what, [source]), settings.short.checkpoint_minutes
    ) as states:
        write(candidates.score_by_retraining(cell, images, settings, int(seed), title, states))


if __name__ == "__main__":
    runtime.run(main)
