"""Parameters and multiply-adds of every entry's network. Usage: python -m stages.complexity SCALE"""

from eoinas import command, entries, formats, params, plan
from eoinas.data import imageset
from eoinas.metrics import complexity
from eoinas.models.cifar import NetworkCIFAR
from eoinas.models.imagenet import NetworkImageNet


def main(scale: str) -> None:
    sizes, found = params.read_settings(complexity.Sizes, scale, "complexity"), plan.load(scale)
    table: dict[str, dict] = {data: {} for data in found.entries}
    for data, networks in found.entries.items():
        about = imageset.source(f"data/prepared/{scale}/images/{data}")
        size = (sizes.retrain.C, sizes.retrain.layers, about["classes"], about["image_size"])
        for name in networks:
            cell, _ = entries.load(f"results/{scale}/entries/{data}-{name}.json")
            table[data][name] = complexity.of_classifier(NetworkCIFAR, cell, *size)
    large = sizes.imagenet
    classes = len(formats.read_json(f"data/prepared/{scale}/imagenet/meta.json")["classes"])
    table["imagenet"] = {}
    for name in found.imagenet:
        cell, _ = entries.load(f"results/{scale}/entries/imagenet/{name}.json")
        size = (large.C, large.layers, classes, large.image_size)
        table["imagenet"][name] = complexity.of_classifier(NetworkImageNet, cell, *size)
    formats.write_json(f"results/{scale}/complexity.json", table)


if __name__ == "__main__":
    command.run(main)
