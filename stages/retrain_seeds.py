"""Train the cells of a variant's searches from scratch. Usage: python -m stages.retrain_seeds SCALE DATA VARIANT SEEDS

The selected seed's cell is left out where it is trained as an entry.
"""

from functools import partial
from pathlib import Path

from eoinas import checkpoint, command, devices, genotype, params, selection
from eoinas.data import imageset
from eoinas.data.images import standard_split
from eoinas.train import classify


def main(scale: str, data: str, variant: str, item: str) -> None:
    name = f"retrain_seeds/{variant}/{item}"
    settings = params.read_settings(classify.RetrainSeedsStage, scale, name)
    selected = selection.selected(f"results/{scale}/selection/{variant}.json")
    seeds = [seed for seed in settings.seeds if not (settings.selected_is_served and seed == selected)]
    cells = {seed: genotype.load(f"results/{scale}/derive/{variant}/{seed}/genotype.json") for seed in seeds}
    device, source = devices.device(settings.retrain), f"data/prepared/{scale}/images/{data}"
    images = standard_split(imageset.load(source), device)

    def train(seed: int, run: int, states: checkpoint.Checkpoint, folder: Path) -> None:
        stream = f"{variant}/{seed}"
        title = f"{scale}/retrain_seeds/{stream}/{run}"
        result = classify.train(cells[seed], images, settings.retrain, settings.cutout, run, stream, title, states)
        classify.save(result, images, imageset.source(source), folder)

    what = [settings.dumped(), {str(seed): genotype.plain(cell) for seed, cell in cells.items()}, str(device)]
    key = checkpoint.fingerprint("retrain_seeds", what, [source])
    minutes = params.machine(scale, "retrain_seeds").checkpoint_minutes
    with checkpoint.Checkpoint(f"{scale}/{name}".replace("/", "-"), key, minutes) as states:
        works = {f"{seed}/{run}": partial(train, seed, run) for seed in seeds for run in settings.runs}
        states.parts(f"results/{scale}/{name}", works)


if __name__ == "__main__":
    command.run(main)
