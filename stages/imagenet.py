"""Train one entry's network on ImageNet. Usage: python -m stages.imagenet SCALE ENTRY

Uses every GPU that it sees. On several machines: torchrun --nnodes N --nproc-per-node GPUS ... -m stages.imagenet SCALE ENTRY
"""

from eoinas import checkpoint, command, devices, entries, files, formats, genotype, params, ranks, weights
from eoinas.data import imagenet as imagenet_data
from eoinas.train import imagenet


def main(scale: str, entry: str) -> None:
    name, source = f"{scale}/imagenet/{entry}", f"data/prepared/{scale}/imagenet"
    settings, machine = params.read_settings(imagenet.ImagenetParams, scale, "imagenet"), params.machine(scale, "imagenet")
    cell, _ = entries.load(f"results/{scale}/entries/imagenet-{entry}.json")
    group = ranks.join()
    # Where the images lie is no dependency: the manifest is.
    data = imagenet_data.load(source, params.read_settings(imagenet_data.ImagenetDataParams, scale, "imagenet_data"))
    device = devices.device(settings)
    if group.local_rank == 0:
        imagenet_data.check_files(data)
    key = checkpoint.fingerprint("imagenet", [settings.dumped(), genotype.plain(cell), entry, str(device)], [source])
    with ranks.SharedCheckpoint(group, name.replace("/", "-"), key, machine.checkpoint_minutes) as states:
        network = imagenet.build(cell, settings, len(data.classes), entry).to(device)
        weight = settings.auxiliary_weight
        log = imagenet.train(network, settings, data, group, name, states, weight, stream=entry, workers=machine.workers)
        if group.rank == 0:
            with files.replacing_folder(f"results/{name}") as folder:
                weights.save(network, folder / "weights.safetensors")
                log.write(folder / "history.csv")
                formats.write_json(folder / "result.json", imagenet.summary(log, settings, data))


if __name__ == "__main__":
    command.run(main)
