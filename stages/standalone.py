"""Train a variant's final cell with one operation replaced, for Figs. 1 and 4.

Usage: python -m stages.standalone SCALE DATA VARIANT OPERATION
"""

from functools import partial
from pathlib import Path

from eoinas import checkpoint, command, devices, files, formats, genotype, params
from eoinas.data import imageset
from eoinas.data.images import standard_split
from eoinas.train import classify, standalone


def main(scale: str, data: str, variant: str, operation: str) -> None:
    name = f"{scale}/standalone/{operation}"
    settings = params.read_settings(standalone.StandaloneParams, scale, "standalone")
    found = genotype.load(f"results/{scale}/genotypes/{variant}.json")
    cell = standalone.with_operation(found, settings.edge, operation)
    device, source = devices.device(settings), f"data/prepared/{scale}/images/{data}"
    images = standard_split(imageset.load(source), device)

    def train(run: int, states: checkpoint.Checkpoint, folder: Path) -> None:
        title, stream = f"{name}/{run}", f"standalone/{operation}"
        result = classify.train(cell, images, settings, settings.cutout, run, stream, title, states)
        result.log.write(folder / "history.csv")
        formats.write_json(folder / "counts.json", {"run": run, "wrong": result.wrong[-1], "images": len(images.scored)})

    key = checkpoint.fingerprint("standalone", [settings.dumped(), genotype.plain(found), operation, str(device)], [source])
    minutes = params.machine(scale, "standalone").checkpoint_minutes
    with checkpoint.Checkpoint(name.replace("/", "-"), key, minutes) as states:
        done = {run: states.part(str(run), partial(train, run)) for run in settings.runs}
        with files.replacing_folder(f"results/{name}") as folder:
            for run, part in done.items():
                files.write_bytes(folder / f"history-{run}.csv", (part / "history.csv").read_bytes())
            result = {
                "operation": operation,
                "edge": list(standalone.ends(found, settings.edge)),
                "epochs": settings.epochs,
                "runs": [formats.read_json(part / "counts.json") for part in done.values()],
                "data": imageset.source(source),
            }
            formats.write_json(folder / "result.json", result)


if __name__ == "__main__":
    command.run(main)
