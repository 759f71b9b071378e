"""Parameters and multiply-adds of every entry's network. Usage: python -m stages.complexity SCALE"""

from eoinas import command, entries, formats, params
from eoinas.data import imagenet as imagenet_data
from eoinas.data import imageset
from eoinas.metrics import complexity
from eoinas.models.cifar import NetworkCIFAR
from eoinas.models.imagenet import NetworkImageNet
from eoinas.train import classify, imagenet


def main(scale: str) -> None:
    top = params.top().entries
    cifar = params.load(classify.RetrainParams, scale, "retrain")
    large = params.load(imagenet.ImagenetParams, scale, "imagenet")
    sizes = {}
    for data in top.cifar:
        images = imageset.load(f"data/prepared/{scale}/{data}")
        sizes[data] = (NetworkCIFAR, cifar.C, cifar.layers, len(images.classes), images.train_images.shape[-1])
    listing = params.load(imagenet_data.ImagenetDataParams, scale, "imagenet_data")
    classes = len(imagenet_data.load(f"data/prepared/{scale}/imagenet", listing).classes)
    sizes["imagenet"] = (NetworkImageNet, large.C, large.layers, classes, large.image_size)
    table = {}
    for data, networks in {**top.cifar, "imagenet": top.imagenet}.items():
        network, *size = sizes[data]
        cells = {name: entries.load(f"results/{scale}/entries/{data}/{name}.json")[0] for name in networks}
        table[data] = {name: complexity.of_classifier(network, cell, *size) for name, cell in cells.items()}
    formats.write_json(f"results/{scale}/complexity.json", table)


if __name__ == "__main__":
    command.run(main)
