"""Algorithm 1 on NAS-Bench-201 with one variant. Usage: python -m stages.bench_search SCALE DATA VARIANT SEEDS"""

from functools import partial
from pathlib import Path

from eoinas import command, files, params


def main(scale: str, data: str, variant: str, item: str) -> None:
    name, out = f"bench/{variant}/{item}", f"results/{scale}/bench/{variant}/{item}"
    timing = f"results/{scale}/timing/bench/{variant}/{item}"
    if not params.seeds(scale, name):  # a scale may leave a variant out; torch takes seconds to load
        for folder in (out, timing):
            with files.replacing_folder(folder):
                pass
        return
    from eoinas import checkpoint, devices
    from eoinas.data import imageset
    from eoinas.data.images import halves
    from eoinas.train import search_cifar

    settings = params.read_settings(search_cifar.BenchStage, scale, name)
    machine = params.machine(scale, "bench_search")
    device, source = devices.device(settings.search), f"data/prepared/{scale}/images/{data}"
    whole = imageset.averaged(imageset.load(source), settings.search.average, f"{params.FILE}: {scale}.bench_search.average")
    images = halves(whole, settings.split, device)

    def run(seed: int, states: "checkpoint.Checkpoint", folder: Path) -> None:
        network, result = search_cifar.run(images, settings.search, seed, f"{scale}/{name}/{seed}", states)
        search_cifar.write(network, result, folder)

    key = checkpoint.fingerprint("bench_search", [settings.dumped(), str(device)], [source])
    with checkpoint.Checkpoint(f"{scale}/{name}".replace("/", "-"), key, machine.checkpoint_minutes) as states:
        states.parts(out, {str(seed): partial(run, seed) for seed in settings.seeds}, timing)


if __name__ == "__main__":
    command.run(main)
