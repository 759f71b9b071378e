"""Train one entry's encoder-decoder on street scenes. Usage: python -m stages.seg_train SCALE ENTRY INIT"""

from eoinas import checkpoint, command, devices, entries, files, genotype, params, ranks, weights
from eoinas.data import cityscapes
from eoinas.models.segmentation import SegNetworkParams
from eoinas.train import segment


def main(scale: str, entry: str, init: str) -> None:
    name = f"{scale}/seg_train/{entry}/{params.choice(init, segment.INITS, 'init')}"
    settings = params.load(segment.SegTrainParams, scale, "seg_train")
    size = params.load(SegNetworkParams, scale, "seg_network")
    group = ranks.join()
    cell, _ = entries.load(f"results/{scale}/seg_entries/{entry}.json")
    backbone = f"results/{scale}/seg_pretrain/{entry}/weights.safetensors" if init == "pretrained" else None
    device, scenes = devices.device(settings.cpu_threads), cityscapes.load(scale)
    what = [settings.model_dump(), size.model_dump(), genotype.plain(cell), init, str(device)]
    key = checkpoint.fingerprint(what, [cityscapes.PREPARED.format(scale=scale), *([backbone] if backbone else [])])
    with ranks.SharedCheckpoint(group, name.replace("/", "-"), key, 10.0) as states:
        network, log = segment.train(cell, scenes, size, settings, backbone, device, group, name, states, stream=name, workers=0)
        if group.rank == 0:
            with files.replacing_folder(f"results/{name}") as folder:
                weights.save(network, folder / "weights.safetensors")
                log.write(folder / "history.csv")


if __name__ == "__main__":
    command.run(main)
