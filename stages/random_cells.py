"""Cells drawn at random, each scored by a short retraining: random search. Usage: python -m stages.random_cells SCALE DATA"""

from functools import partial
from pathlib import Path

from eoinas import checkpoint, command, devices, formats, params, seeds
from eoinas.data import imageset
from eoinas.data.images import halves
from eoinas.spaces import registry
from eoinas.train import candidates


def main(scale: str, data: str) -> None:
    name, source = "derive/random", f"data/prepared/{scale}/images/{data}"
    settings = params.read_settings(candidates.RandomStage, scale, name)
    space = registry.space(settings.space, settings.operations)
    device = devices.device(settings.derive.short)
    images = halves(imageset.load(source), settings.split, device)

    def score(seed: int, states: checkpoint.Checkpoint, folder: Path) -> None:
        cell, title = space.random(seeds.generator(seed, "random cell")), f"{scale}/{name}/{seed}"
        accuracy = candidates.score_by_retraining(cell, images, settings.derive, seed, "short/random", title, states)
        formats.write_json(folder / "genotype.json", space.plain(cell))
        formats.write_json(folder / "score.json", {"accuracy": accuracy, "by": "retrain", "images": len(images.scored)})

    key = checkpoint.fingerprint("random_cells", [settings.dumped(), str(device)], [source])
    minutes = params.machine(scale, "random_cells").checkpoint_minutes
    with checkpoint.Checkpoint(f"{scale}/{name}".replace("/", "-"), key, minutes) as states:
        states.parts(f"results/{scale}/{name}", {str(seed): partial(score, seed) for seed in settings.seeds})


if __name__ == "__main__":
    command.run(main)
