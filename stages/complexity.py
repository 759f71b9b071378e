"""Parameters and multiply-adds of every entry's network. Usage: python -m stages.complexity SCALE"""

from eoinas import entries, files, params, runtime
from eoinas.data import imageset
from eoinas.metrics import complexity
from eoinas.train import classify


def main(scale: str) -> None:
    settings = params.load(classify.RetrainParams, scale, "retrain")
    table = {}
    for data, networks in params.top().entries.cifar.items():
        images = imageset.load(f"data/prepared/{scale}/{data}")
        for name in networks:
            cell, _ = entries.load(f"results/{scale}/entries/{data}/{name}.json")
            table.setdefault(data, {})[name] = complexity.of_classifier(
                cell, settings.C, settings.layers, len(images.classes), images.train_images.shape[-1]
            )
    files.write_json(f"results/{scale}/complexity.json", table)


if __name__ == "__main__":
    runtime.run(main)
