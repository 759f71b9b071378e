"""A segmentation network that starts from the backbone that was trained on ImageNet (Sec. V-C)."""

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file

from eoinas.errors import InputError
from eoinas.models.segmentation import SegmentationNetwork

_AGAIN = "pretrain with the same seg_network and cell"


def load_backbone(network: SegmentationNetwork, path: Path | str) -> None:
    """Fill the backbone of ``network`` with that of the pretraining's weights; the pooled classifier there is left out.

    Raises:
        InputError: the file is missing or damaged, or a layer has another shape or is in one of the two only.
    """
    try:
        found = load_file(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run the stage seg_pretrain first") from None
    except SafetensorError as error:
        raise InputError(f"{path}: not a file of weights ({str(error).splitlines()[-1]:.200}); {_AGAIN}") from None
    prefix = "backbone."
    found = {name.removeprefix(prefix): value for name, value in found.items() if name.startswith(prefix)}
    wanted = network.backbone.state_dict()
    for name, value in wanted.items():
        if name not in found:
            raise InputError(f"{path}: has no {prefix}{name}; {_AGAIN}")
        if found[name].shape != value.shape:
            sizes = f"{list(found[name].shape)}, this network {list(value.shape)}"
            raise InputError(f"{path}: {prefix}{name} has shape {sizes}; {_AGAIN}")
    for name in found:
        if name not in wanted:
            raise InputError(f"{path}: {prefix}{name} is not in this network; {_AGAIN}")
    network.backbone.load_state_dict(found)
