"""Search on street scenes: Algorithm 1 with indicator and chain. Usage: python -m stages.seg_search SCALE"""

import numpy as np

from eoinas import checkpoint, command, devices, files, formats, params, weights
from eoinas.data import cityscapes
from eoinas.train import search_seg


def main(scale: str) -> None:
    name = f"{scale}/seg_search"
    settings = params.load(search_seg.SegSearchParams, scale, "seg_search")
    weight = params.lambda_()
    device, where = devices.device(settings.cpu_threads), cityscapes.PREPARED.format(scale=scale)
    scenes = cityscapes.load(where, params.load(cityscapes.CityscapesDataParams, scale, "cityscapes_data"))
    # How many processes read pictures makes no difference to what is computed.
    what = [settings.model_dump(exclude={"workers"}), weight, str(device)]
    key = checkpoint.fingerprint(what, [where])
    with checkpoint.Checkpoint(name.replace("/", "-"), key, settings.checkpoint_minutes) as states:
        network, result = search_seg.run(scenes, settings, weight, device, name, states)
        with files.replacing_folder(f"results/{name}") as folder:
            weights.save(network, folder / "supernet.safetensors")
            result.log.write(folder / "history.csv")
            np.savez(folder / "trace.npz", **result.trace)
        # Rounded to 86 s, so that short searches give the same bytes on every run.
        cost = {"days": round(result.log.seconds / 86400, 3), "device": devices.device_name()}
        formats.write_json(f"results/{scale}/timing/seg_search.json", cost)


if __name__ == "__main__":
    command.run(main)
