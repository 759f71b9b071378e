"""Parameters and multiply-adds of the entries' networks. Usage: python -m stages.complexity SCALE DATA

DATA is "images", all data sets of `datasets`, or "imagenet".
"""

from eoinas import command, entries, formats, params
from eoinas import plan as plans
from eoinas.data import imageset
from eoinas.errors import InputError
from eoinas.metrics import complexity
from eoinas.models.cifar import NetworkCIFAR
from eoinas.models.imagenet import NetworkImageNet

IMAGES, IMAGENET = "images", "imagenet"


def imagenet_classes(path: str) -> int:
    """How many there are; read here, so that an edit of how images are read does not cost this stage."""
    meta = formats.read_json(path)
    if not isinstance(meta, dict) or not isinstance(meta.get("classes"), list):
        raise InputError(f"{path}: not a description of images; delete the folder and prepare the data again")
    return len(meta["classes"])


def main(scale: str, of: str) -> None:
    plan, prepared = plans.load(scale), f"data/prepared/{scale}"
    sizes = params.read_settings(complexity.Sizes, scale, "complexity")
    small, large = sizes.retrain, sizes.imagenet
    if params.choice(of, (IMAGES, IMAGENET), "data") == IMAGES:
        network, named = NetworkCIFAR, plan.entries
        about = {data: imageset.source(f"{prepared}/images/{data}") for data in named}
        shapes = {data: (small.C, small.layers, images["classes"], images["image_size"]) for data, images in about.items()}
    else:
        network, named = NetworkImageNet, {IMAGENET: plan.imagenet}
        shapes = {IMAGENET: (large.C, large.layers, imagenet_classes(f"{prepared}/imagenet/meta.json"), large.image_size)}
    table: dict[str, dict] = {data: {} for data in named}
    for data, name in ((data, name) for data, names in named.items() for name in names):
        cell, _ = entries.load(f"results/{scale}/entries/{data}-{name}.json")
        table[data][name] = complexity.of_classifier(network, cell, *shapes[data])
    formats.write_json(f"results/{scale}/complexity/{of}.json", table)


if __name__ == "__main__":
    command.run(main)
