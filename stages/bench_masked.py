"""A control on NAS-Bench-201: cells chosen by masking on supernets. Usage: python -m stages.bench_masked SCALE DATA"""

from functools import partial
from pathlib import Path

from eoinas import bench, checkpoint, command, devices, formats, params, weights
from eoinas.data import imageset
from eoinas.data.images import halves
from eoinas.train import masked, search_cifar


def main(scale: str, data: str) -> None:
    plan = bench.load(scale)
    settings = params.read_settings(masked.MaskedStage, scale, "bench_masked")
    machine = params.machine(scale, "bench_masked")
    device, source = devices.device(settings.search), f"data/prepared/{scale}/images/{data}"
    whole = imageset.averaged(imageset.load(source), settings.search.average, f"{params.FILE}: {scale}.bench_search.average")
    images = halves(whole, settings.split, device)

    def run(seed: int, item: str, _states: checkpoint.Checkpoint, folder: Path) -> None:
        network = search_cifar.build(settings.search, len(images.data.classes)).to(device)
        weights.load(network, f"{bench.folder(scale, plan.masked, item, seed)}/supernet.safetensors")
        chosen = masked.select(network, images, settings.masked, seed)
        cell = tuple(network.space.operations[operation] for operation in chosen.tolist())
        formats.write_json(folder / "cell.json", network.space.plain(cell))

    supernets = f"results/{scale}/bench/{plan.masked}"
    key = checkpoint.fingerprint("bench_masked", [settings.dumped(), str(device)], [source, supernets])
    with checkpoint.Checkpoint(f"{scale}-bench_masked", key, machine.checkpoint_minutes) as states:
        works = {str(seed): partial(run, seed, item) for item, seed in settings.searches}
        states.parts(f"results/{scale}/bench_masked", works)


if __name__ == "__main__":
    command.run(main)
