"""Parameters and multiply-adds of every entry's network. Usage: python -m stages.complexity SCALE"""

from eoinas import command, entries, formats, params
from eoinas import plan as plans
from eoinas.data import imageset
from eoinas.errors import InputError
from eoinas.metrics import complexity
from eoinas.models.cifar import NetworkCIFAR
from eoinas.models.imagenet import NetworkImageNet


def imagenet_classes(path: str) -> int:
    """How many there are; read here, so that an edit of how images are read does not cost this stage."""
    meta = formats.read_json(path)
    if not isinstance(meta, dict) or not isinstance(meta.get("classes"), list):
        raise InputError(f"{path}: not a description of images; delete the folder and prepare the data again")
    return len(meta["classes"])


def main(scale: str) -> None:
    plan, prepared = plans.load(scale), f"data/prepared/{scale}"
    sizes = params.read_settings(complexity.Sizes, scale, "complexity")
    small, large = sizes.retrain, sizes.imagenet
    shapes = {}
    for data in plan.entries:
        images = imageset.source(f"{prepared}/images/{data}")
        shapes[data] = (NetworkCIFAR, small.C, small.layers, images["classes"], images["image_size"])
    classes = imagenet_classes(f"{prepared}/imagenet/meta.json")
    shapes["imagenet"] = (NetworkImageNet, large.C, large.layers, classes, large.image_size)
    table = {}
    for data, networks in {**plan.entries, "imagenet": plan.imagenet}.items():
        network, *shape = shapes[data]
        cells = {name: entries.load(f"results/{scale}/entries/{data}-{name}.json")[0] for name in networks}
        table[data] = {name: complexity.of_classifier(network, cell, *shape) for name, cell in cells.items()}
    formats.write_json(f"results/{scale}/complexity.json", table)


if __name__ == "__main__":
    command.run(main)
