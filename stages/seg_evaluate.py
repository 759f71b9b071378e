"""Label the validation scenes at full size and score them. Usage: python -m stages.seg_evaluate SCALE ENTRY INIT"""

from eoinas import command, devices, entries, files, formats, params, weights
from eoinas.data import cityscapes
from eoinas.data.cityscapes_labels import CLASSES
from eoinas.metrics import label_scenes
from eoinas.models.segmentation import SegmentationNetwork
from eoinas.train import segment


def main(scale: str, entry: str, init: str) -> None:
    name = f"{entry}/{params.choice(init, segment.INITS, 'init')}"
    settings = params.read_settings(segment.SegTrainStage, scale, "seg_train")
    cell, _ = entries.load(f"results/{scale}/seg_entries/{entry}.json")
    device = devices.device(settings.train)
    data = params.read_settings(cityscapes.CityscapesDataParams, scale, "cityscapes_data")
    scenes = cityscapes.load(f"data/prepared/{scale}/cityscapes", data)
    network = SegmentationNetwork(cell, settings.network, len(CLASSES))
    weights.load(network, f"results/{scale}/seg_train/{name}/weights.safetensors")
    with files.replacing_folder(f"results/{scale}/seg_evaluate/{name}") as folder:
        matrix = label_scenes.label_scenes(network.to(device), scenes, device, folder / "predictions")
        formats.write_array(folder / "confusion.npy", matrix)
        formats.write_json(folder / "result.json", label_scenes.summary(matrix, scenes, settings.train.iterations))


if __name__ == "__main__":
    command.run(main)
