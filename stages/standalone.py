"""Train the final cell with an operation replaced, for Figs. 1 and 4. Usage: python -m stages.standalone SCALE OPERATIONS"""

import shutil
from functools import partial
from pathlib import Path

from eoinas import checkpoint, command, devices, files, formats, genotype, params
from eoinas.data import imageset
from eoinas.data.images import standard_split
from eoinas.train import classify, standalone


def main(scale: str, operations: str) -> None:
    name, names = f"{scale}/standalone/{operations}", standalone.operations(operations)
    settings = params.load(standalone.StandaloneParams, scale, "standalone")
    found = genotype.load(f"results/{scale}/genotypes/eoinas.json")
    cells = {operation: standalone.with_operation(found, settings.edge, operation) for operation in names}
    device, source = devices.device(settings.cpu_threads), f"data/prepared/{scale}/cifar10"
    images = standard_split(imageset.load(source), device)

    def train(operation: str, run: int, states: checkpoint.Checkpoint, folder: Path) -> None:
        title = f"{scale}/standalone/{operation}/{run}"
        result = classify.train(
            cells[operation], images, settings, settings.cutout, run, f"standalone/{operation}", title, states
        )
        result.log.write(folder / "history.csv")
        formats.write_json(folder / "counts.json", {"run": run, "wrong": result.wrong[-1], "images": len(images.test)})

    key = checkpoint.fingerprint([settings.model_dump(), genotype.plain(found), operations, str(device)], [source])
    with checkpoint.Checkpoint(name.replace("/", "-"), key, 10.0) as states:
        done = {(o, run): states.part(f"{o}-{run}", partial(train, o, run)) for o in cells for run in settings.runs}
        with files.replacing_folder(f"results/{name}") as folder:
            for operation in cells:
                (folder / operation).mkdir()
                for run in settings.runs:
                    shutil.copy(done[operation, run] / "history.csv", folder / operation / f"history-{run}.csv")
                result = {
                    "operation": operation,
                    "edge": list(standalone.ends(found, settings.edge)),
                    "epochs": settings.epochs,
                    "runs": [formats.read_json(done[operation, run] / "counts.json") for run in settings.runs],
                    "data": imageset.source(source),
                }
                formats.write_json(folder / operation / "result.json", result)


if __name__ == "__main__":
    command.run(main)
