"""Train one entry's encoder-decoder on street scenes. Usage: python -m stages.seg_train SCALE ENTRY INIT"""

from eoinas import checkpoint, command, devices, entries, files, genotype, params, ranks, weights
from eoinas.data import cityscapes
from eoinas.train import segment


def main(scale: str, entry: str, init: str) -> None:
    name = f"{scale}/seg_train/{entry}/{params.choice(init, segment.INITS, 'init')}"
    settings, machine = params.read_settings(segment.SegTrainStage, scale, "seg_train"), params.machine(scale, "seg_train")
    group = ranks.join()
    cell, _ = entries.load(f"results/{scale}/seg_entries/{entry}.json")
    backbone = f"results/{scale}/seg_pretrain/{entry}/weights.safetensors" if init == "pretrained" else None
    device, source = devices.device(settings.train), f"data/prepared/{scale}/cityscapes"
    # Where the pictures lie is no dependency: the manifest is.
    scenes = cityscapes.load(source, params.read_settings(cityscapes.CityscapesDataParams, scale, "cityscapes_data"))
    stream = f"{entry}/{init}"
    what = [settings.dumped(), genotype.plain(cell), stream, str(device)]
    key = checkpoint.fingerprint("seg_train", what, [source, *([backbone] if backbone else [])])
    with ranks.SharedCheckpoint(group, name.replace("/", "-"), key, machine.checkpoint_minutes) as states:
        size, how = settings.network, settings.train
        network, log = segment.train(
            cell, scenes, size, how, backbone, device, group, name, states, stream=stream, workers=machine.workers
        )
        if group.rank == 0:
            with files.replacing_folder(f"results/{name}") as folder:
                weights.save(network, folder / "weights.safetensors")
                log.write(folder / "history.csv")


if __name__ == "__main__":
    command.run(main)
