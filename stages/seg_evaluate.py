"""Label the validation scenes at full size and score them. Usage: python -m stages.seg_evaluate SCALE ENTRY INIT"""

from eoinas import command, devices, entries, files, formats, params, weights
from eoinas.data import cityscapes
from eoinas.data.cityscapes_labels import CLASSES
from eoinas.metrics import label_scenes
from eoinas.models.segmentation import SegmentationNetwork, SegNetworkParams
from eoinas.train import segment


def main(scale: str, entry: str, init: str) -> None:
    name = f"{entry}/{params.choice(init, segment.INITS, 'init')}"
    settings = params.load(segment.SegTrainParams, scale, "seg_train")
    size = params.load(SegNetworkParams, scale, "seg_network")
    cell, _ = entries.load(f"results/{scale}/seg_entries/{entry}.json")
    device, where = devices.device(settings.cpu_threads), cityscapes.PREPARED.format(scale=scale)
    scenes = cityscapes.load(where, params.load(cityscapes.CityscapesDataParams, scale, "cityscapes_data"))
    network = SegmentationNetwork(cell, size, len(CLASSES))
    weights.load(network, f"results/{scale}/seg_train/{name}/weights.safetensors")
    with files.replacing_folder(f"results/{scale}/seg_evaluate/{name}") as folder:
        matrix = label_scenes.label_scenes(network.to(device), scenes, device, folder / "predictions")
        formats.write_array(folder / "confusion.npy", matrix)
        formats.write_json(folder / "result.json", label_scenes.summary(matrix, scenes, settings.iterations))


if __name__ == "__main__":
    command.run(main)
