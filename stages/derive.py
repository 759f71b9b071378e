"""The cells of a variant's searches and their scores on the alpha half. Usage: python -m stages.derive SCALE DATA VARIANT"""

from functools import partial
from pathlib import Path

from eoinas import checkpoint, command, devices, formats, params
from eoinas.data import imageset
from eoinas.data.images import halves
from eoinas.spaces import registry
from eoinas.train import candidates, search_cifar


def main(scale: str, data: str, variant: str) -> None:
    name = f"derive/{variant}"
    settings = params.read_settings(candidates.DeriveStage, scale, name)
    how, network = settings.derive, settings.search
    source = f"data/prepared/{scale}/images/{data}"
    finished = {seed: f"results/{scale}/search/{variant}/{item}/{seed}" for item, seed in settings.searches}
    space = registry.space(network.space, network.operations)
    cells = {seed: candidates.derive_cell(space, f"{folder}/trace.npz", how.edge_rank) for seed, folder in finished.items()}
    device = devices.device(how.short)
    images = halves(imageset.load(source), settings.split, device)

    def score(seed: int, states: checkpoint.Checkpoint, folder: Path) -> None:
        if how.by == "supernet":
            path = f"{finished[seed]}/supernet.safetensors"
            accuracy = search_cifar.score(cells[seed], path, images, network, how.eval_batch_size, settings.split.seed)
        else:
            title = f"{scale}/{name}/{seed}"
            accuracy = candidates.score_by_retraining(cells[seed], images, how, seed, f"short/{variant}", title, states)
        formats.write_json(folder / "genotype.json", space.plain(cells[seed]))
        formats.write_json(folder / "score.json", {"accuracy": accuracy, "by": how.by, "images": len(images.scored)})

    key = checkpoint.fingerprint("derive", [settings.dumped(), str(device)], [source, *finished.values()])
    minutes = params.machine(scale, "derive").checkpoint_minutes
    with checkpoint.Checkpoint(f"{scale}/{name}".replace("/", "-"), key, minutes) as states:
        states.parts(f"results/{scale}/{name}", {str(seed): partial(score, seed) for seed in cells})


if __name__ == "__main__":
    command.run(main)
