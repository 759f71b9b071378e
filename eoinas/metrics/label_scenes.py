"""Every validation picture labelled at its full size, and how right that was (choice D52).

Shapes: K classes, H, W sides of a picture.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from eoinas.data import cityscapes, crops
from eoinas.data.cityscapes import Scenes
from eoinas.data.cityscapes_labels import CLASSES, TO_LABEL
from eoinas.metrics import iou

STRIDE = 16  # of the encoder's output


@torch.no_grad()
def label_scenes(network: nn.Module, scenes: Scenes, device: torch.device, folder: Path) -> np.ndarray:
    """Write ``<name>_pred_labelIds.png`` for each validation picture to ``folder``, with label ids, not train ids.

    The official evaluator finds a prediction by the first three parts of its name, <city>_<sequence>_<frame>.

    Returns:
        The confusion matrix of all pixels of all pictures, int64 [K, K], rows the truth.
    """
    from PIL import Image

    network.eval()
    matrix = np.zeros((len(CLASSES), len(CLASSES)), np.int64)
    folder.mkdir(parents=True, exist_ok=True)
    for pair in scenes.split("val"):
        picture = crops.normalise(np.asarray(cityscapes.image(scenes.root, pair)))
        predicted = label(network, picture.to(device)).cpu().numpy().astype(np.uint8)
        matrix += iou.confusion(cityscapes.labels(scenes.root, pair), predicted, len(CLASSES))
        Image.fromarray(TO_LABEL[predicted]).save(folder / f"{pair.name}_pred_labelIds.png")
    return matrix


def label(network: nn.Module, picture: Tensor) -> Tensor:
    """Train ids int64 [H, W] of a normalised picture [3, H, W].

    The picture is padded with the mean colour to sides that are a multiple of 16 plus 1, as DeepLab does (1025 x 2049 for
    Cityscapes), for with these features and pixels are aligned; see ``models.segmentation``.
    """
    height, width = picture.shape[1:]
    padded = F.pad(picture[None], (0, (1 - width) % STRIDE, 0, (1 - height) % STRIDE))
    return network(padded)[0, :, :height, :width].argmax(0)


def summary(matrix: np.ndarray, scenes: Scenes, iterations: int) -> dict:
    """What tables are made of; a class that never occurs in the truth has null and is left out of ``miou``."""
    values = iou.iou(matrix)
    return {
        "miou": iou.mean(values),
        "iou": dict(zip(CLASSES, values, strict=True)),
        "images": len(scenes.split("val")),
        "iterations": iterations,
        "data": scenes.description,
    }
