"""Train the final cell with one operation replaced, for Figs. 1 and 4. Usage: python -m stages.standalone SCALE OPERATION"""

import shutil
from functools import partial
from pathlib import Path

from eoinas import checkpoint, files, genotype, params, runtime
from eoinas.data import imageset
from eoinas.data.images import standard_split
from eoinas.train import classify, standalone


def main(scale: str, operation: str) -> None:
    name = f"{scale}/standalone/{params.choice(operation, genotype.OPERATIONS, 'operation')}"
    settings = params.load(standalone.StandaloneParams, scale, "standalone")
    found = genotype.load(f"results/{scale}/genotypes/eoinas.json")
    cell = standalone.with_operation(found, settings.edge, operation)
    device, source = runtime.device(settings.cpu_threads), f"data/prepared/{scale}/cifar10"
    images = standard_split(imageset.load(source), device)

    def train(run: int, states: checkpoint.Checkpoint, folder: Path) -> None:
        result = classify.train(cell, images, settings, settings.cutout, run, f"{name}/{run}", states)
        result.log.write(folder / "history.csv")
        files.write_json(folder / "counts.json", {"run": run, "wrong": result.wrong[-1], "images": len(images.test)})

    key = checkpoint.fingerprint([settings.model_dump(), genotype.plain(cell), str(device)], [source])
    with checkpoint.Checkpoint(name.replace("/", "-"), key, settings.checkpoint_minutes) as states:
        parts = {run: states.part(str(run), partial(train, run)) for run in settings.runs}
        result = {
            "operation": operation,
            "edge": list(standalone.ends(found, settings.edge)),
            "epochs": settings.epochs,
            "runs": [files.read_json(part / "counts.json") for part in parts.values()],
            "data": imageset.source(source),
        }
        with files.replacing_folder(f"results/{name}") as folder:
            for run, part in parts.items():
                shutil.copy(part / "history.csv", folder / f"history-{run}.csv")
            files.write_json(folder / "result.json", result)


if __name__ == "__main__":
    runtime.run(main)
