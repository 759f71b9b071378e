"""The cells of a variant's finished searches and their scores on the alpha half. Usage: python -m stages.derive SCALE VARIANT"""

from functools import partial
from pathlib import Path

from eoinas import checkpoint, command, devices, formats, genotype, params
from eoinas.data import imageset
from eoinas.data.images import SplitParams, halves
from eoinas.train import candidates, search, search_cifar


def main(scale: str, variant: str) -> None:
    name = f"{scale}/derive/{params.choice(variant, search.VARIANTS, 'variant')}"
    settings = params.load(candidates.DeriveParams, scale, "derive")
    network = params.load(search_cifar.SearchCifarParams, scale, "search")
    split = params.load(SplitParams, scale, "split")
    source = f"data/prepared/{scale}/cifar10"
    finished = {seed: f"results/{scale}/search/{variant}/{group}/{seed}" for group, seed in params.top().searches}
    cells = {seed: candidates.derive_cell(f"{folder}/trace.npz", settings.edge_rank) for seed, folder in finished.items()}
    device = devices.device(settings.short.cpu_threads)
    images = halves(imageset.load(source), split, device)

    def score(seed: int, states: checkpoint.Checkpoint, folder: Path) -> None:
        if settings.by == "supernet":
            path = f"{finished[seed]}/supernet.safetensors"
            accuracy = search_cifar.score(cells[seed], path, images, network, settings.eval_batch_size)
        else:
            accuracy = candidates.score_by_retraining(cells[seed], images, settings, seed, f"{name}/{seed}", states)
        genotype.save(folder / "genotype.json", cells[seed])
        formats.write_json(folder / "score.json", {"accuracy": accuracy, "by": settings.by, "images": len(images.test)})

    what = [settings.model_dump(), split.model_dump(), network.model_dump(), str(device)]
    key = checkpoint.fingerprint(what, [source, *finished.values()])
    with checkpoint.Checkpoint(name.replace("/", "-"), key, 10.0) as states:
        states.parts(f"results/{name}", {str(seed): partial(score, seed) for seed in cells})


if __name__ == "__main__":
    command.run(main)
