"""Train the backbone of one entry's segmentation network on ImageNet. Usage: python -m stages.seg_pretrain SCALE ENTRY

Uses every GPU that it sees. On several machines: torchrun --nnodes N --nproc-per-node GPUS ... -m stages.seg_pretrain SCALE ENTRY
"""

import torch

from eoinas import checkpoint, command, devices, entries, files, formats, genotype, params, ranks, seeds, weights
from eoinas.data import imagenet as imagenet_data
from eoinas.models.segmentation import PooledClassifier
from eoinas.train import imagenet


def main(scale: str, entry: str) -> None:
    name, source = f"{scale}/seg_pretrain/{entry}", f"data/prepared/{scale}/imagenet"
    settings, machine = params.read_settings(imagenet.PretrainStage, scale, "seg_pretrain"), params.machine(scale, "seg_pretrain")
    recipe, stream = settings.recipe, f"seg_pretrain/{entry}"
    cell, _ = entries.load(f"results/{scale}/seg_entries/{entry}.json")
    # Where the images lie is no dependency: the manifest is.
    data = imagenet_data.load(source, params.read_settings(imagenet_data.ImagenetDataParams, scale, "imagenet_data"))
    group = ranks.join()
    device = devices.device(recipe)
    if group.local_rank == 0:
        imagenet_data.check_files(data)
    key = checkpoint.fingerprint("seg_pretrain", [settings.dumped(), genotype.plain(cell), stream, str(device)], [source])
    with ranks.SharedCheckpoint(group, name.replace("/", "-"), key, machine.checkpoint_minutes) as states:
        torch.manual_seed(seeds.seed_of(recipe.seed, stream, "init"))
        network = PooledClassifier(cell, settings.network, len(data.classes)).to(device)
        log = imagenet.train(network, recipe, data, group, name, states, stream=stream, workers=machine.workers)
        if group.rank == 0:
            with files.replacing_folder(f"results/{name}") as folder:
                weights.save(network, folder / "weights.safetensors")
                log.write(folder / "history.csv")
                formats.write_json(folder / "result.json", imagenet.summary(log, recipe, data))


if __name__ == "__main__":
    command.run(main)
