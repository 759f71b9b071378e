"""Search on street scenes: Algorithm 1. Usage: python -m stages.seg_search SCALE"""

import numpy as np

from eoinas import checkpoint, command, devices, files, formats, params, weights
from eoinas.data import cityscapes
from eoinas.train import search_seg


def main(scale: str) -> None:
    name, source = f"{scale}/seg_search", f"data/prepared/{scale}/cityscapes"
    settings, machine = params.read_settings(search_seg.SegSearchParams, scale, "seg_search"), params.machine(scale, "seg_search")
    device = devices.device(settings)
    # Where the pictures lie is no dependency: the manifest is.
    scenes = cityscapes.load(source, params.read_settings(cityscapes.CityscapesDataParams, scale, "cityscapes_data"))
    key = checkpoint.fingerprint("seg_search", [settings.dumped(), str(device)], [source])
    with checkpoint.Checkpoint(name.replace("/", "-"), key, machine.checkpoint_minutes) as states:
        network, result = search_seg.run(scenes, settings, device, machine.workers, name, states)
        with files.replacing_folder(f"results/{name}") as folder:
            weights.save(network, folder / "supernet.safetensors")
            result.log.write(folder / "history.csv")
            np.savez(folder / "trace.npz", **result.trace)
        formats.write_json(f"results/{scale}/timing/seg_search.json", result.log.cost(devices.device_name()))


if __name__ == "__main__":
    command.run(main)
