"""Search: Algorithm 1 on images with one variant, seed after seed. Usage: python -m stages.search SCALE DATA VARIANT SEEDS"""

from functools import partial
from pathlib import Path

from eoinas import checkpoint, command, devices, params
from eoinas.data import imageset
from eoinas.data.images import halves
from eoinas.train import search_cifar


def main(scale: str, data: str, variant: str, item: str) -> None:
    name = f"search/{variant}/{item}"
    settings = params.read_settings(search_cifar.SearchStage, scale, name)
    machine = params.machine(scale, "search")
    device, source = devices.device(settings.search), f"data/prepared/{scale}/images/{data}"
    images = halves(imageset.load(source), settings.split, device)

    def run(seed: int, states: checkpoint.Checkpoint, folder: Path) -> None:
        network, result = search_cifar.run(images, settings.search, seed, f"{scale}/search/{variant}/{seed}", states)
        search_cifar.write(network, result, folder)

    key = checkpoint.fingerprint("search", [settings.dumped(), str(device)], [source])
    with checkpoint.Checkpoint(f"{scale}/{name}".replace("/", "-"), key, machine.checkpoint_minutes) as states:
        works = {str(seed): partial(run, seed) for seed in settings.seeds}
        states.parts(f"results/{scale}/{name}", works, f"results/{scale}/timing/{name}")


if __name__ == "__main__":
    command.run(main)
