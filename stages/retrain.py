"""Train one entry's network from scratch, a run or several in turn. Usage: python -m stages.retrain SCALE ENTRY RUNS

An entry is DATASET-NAME.
"""

from functools import partial
from pathlib import Path

from eoinas import checkpoint, command, devices, entries, genotype, params
from eoinas.data import imageset
from eoinas.data.images import standard_split
from eoinas.train import classify


def main(scale: str, entry: str, item: str) -> None:
    name = f"{scale}/retrain/{entry}/{item}"
    settings = params.read_settings(classify.RetrainStage, scale, f"retrain/{item}")
    cell, cutout = entries.load(f"results/{scale}/entries/{entry}.json")
    device, source = devices.device(settings.retrain), f"data/prepared/{scale}/images/{entry.partition('-')[0]}"
    entries.check_data(f"results/{scale}/entries/{entry}.json", source, imageset.digest(source))
    images = standard_split(imageset.load(source), device)

    def train(run: int, states: checkpoint.Checkpoint, folder: Path) -> None:
        title = f"{scale}/retrain/{entry}/{run}"
        result = classify.train(cell, images, settings.retrain, cutout, run, entry, title, states)
        classify.save(result, images, imageset.source(source), folder)

    what = [settings.dumped(), genotype.plain(cell), cutout, entry, str(device)]
    key = checkpoint.fingerprint("retrain", what, [source])
    minutes = params.machine(scale, "retrain").checkpoint_minutes
    with checkpoint.Checkpoint(name.replace("/", "-"), key, minutes) as states:
        states.parts(f"results/{name}", {str(run): partial(train, run) for run in settings.runs})


if __name__ == "__main__":
    command.run(main)
