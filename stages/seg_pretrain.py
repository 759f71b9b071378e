"""Train the backbone of one entry's segmentation network on ImageNet. Usage: python -m stages.seg_pretrain SCALE ENTRY

Uses every GPU that it sees. On several machines: torchrun --nnodes N --nproc-per-node GPUS ... -m stages.seg_pretrain SCALE ENTRY
"""

import torch

from eoinas import checkpoint, command, devices, entries, files, formats, genotype, params, ranks, seeds, weights
from eoinas.data import imagenet as imagenet_data
from eoinas.models.segmentation import PooledClassifier, SegNetworkParams
from eoinas.train import imagenet


def main(scale: str, entry: str) -> None:
    name = f"{scale}/seg_pretrain/{entry}"
    settings = params.load(imagenet.RecipeParams, scale, "seg_pretrain")  # choice D53
    size = params.load(SegNetworkParams, scale, "seg_network")
    cell, _ = entries.load(f"results/{scale}/seg_entries/{entry}.json")
    data = imagenet_data.load(scale)
    group = ranks.join()
    device = devices.device(settings.cpu_threads)
    if group.local_rank == 0:
        imagenet_data.check_files(data)
    what = [settings.model_dump(), size.model_dump(), genotype.plain(cell), str(device)]
    key = checkpoint.fingerprint(what, [f"data/prepared/{scale}/imagenet"])
    with ranks.SharedCheckpoint(group, name.replace("/", "-"), key, 10.0) as states:
        torch.manual_seed(seeds.seed_of(settings.seed, name, "init"))
        network = PooledClassifier(cell, size, len(data.classes)).to(device)
        log = imagenet.train(network, settings, data, group, name, states, stream=name, workers=0)
        if group.rank == 0:
            with files.replacing_folder(f"results/{name}") as folder:
                weights.save(network, folder / "weights.safetensors")
                log.write(folder / "history.csv")
                formats.write_json(folder / "result.json", imagenet.summary(log, settings, data))


if __name__ == "__main__":
    command.run(main)
