"""Train one entry's network on ImageNet. Usage: python -m stages.imagenet SCALE ENTRY

Uses every GPU that it sees. On several machines: torchrun --nnodes N --nproc-per-node GPUS ... -m stages.imagenet SCALE ENTRY
"""

from eoinas import checkpoint, command, devices, entries, files, formats, genotype, params, ranks, weights
from eoinas.data import imagenet as imagenet_data
from eoinas.train import imagenet


def main(scale: str, entry: str) -> None:
    name = f"{scale}/imagenet/{entry}"
    settings = params.load(imagenet.ImagenetParams, scale, "imagenet")
    cell, _ = entries.load(f"results/{scale}/entries/imagenet/{entry}.json")
    group = ranks.join()
    data = imagenet_data.load(scale)
    device = devices.device(settings.cpu_threads)
    if group.local_rank == 0:
        imagenet_data.check_files(data)

    what = [settings.model_dump(), genotype.plain(cell), str(device)]
    key = checkpoint.fingerprint(what, [f"data/prepared/{scale}/imagenet"])
    with ranks.SharedCheckpoint(group, name.replace("/", "-"), key, 10.0) as states:
        network = imagenet.build(cell, settings, len(data.classes), f"imagenet/{entry}").to(device)
        weight, stream = settings.auxiliary_weight, f"imagenet/{entry}"
        log = imagenet.train(network, settings, data, group, name, states, weight, stream=stream, workers=0)
        if group.rank == 0:
            with files.replacing_folder(f"results/{name}") as folder:
                weights.save(network, folder / "weights.safetensors")
                log.write(folder / "history.csv")
                formats.write_json(folder / "result.json", imagenet.summary(log, settings, data))


if __name__ == "__main__":
    command.run(main)
