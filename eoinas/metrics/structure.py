"""The rows of Table IV, read off the built network by a forward pass."""

from typing import NamedTuple

import torch

from eoinas.models.path import Route
from eoinas.models.seg_supernet import SupernetSegmentation


class Stage(NamedTuple):
    """A layer of the network: the feature map that leaves it, and how much smaller than the image that is."""

    name: str
    stride: int | None  # None: not a property of this layer
    height: int
    width: int
    output_stride: int


def stages_of(network: SupernetSegmentation, size: int) -> list[Stage]:
    """One row for each convolution of the stem, each cell and ASPP, in the order of the network.

    Args:
        network: whatever its weights; every edge passes its input on. Its ``space`` has the axes of a path.
        size: side of the image in pixels.
    """
    named = [("Conv2d, 3×3", conv) for conv in network.stem.convs]
    named += [("Reduction cell" if cell.reduction else "Normal cell", cell) for cell in network.cells]
    named.append(("ASPP", network.aspp))
    shapes: list[torch.Size] = []
    hooks = [module.register_forward_hook(lambda _module, _inputs, out: shapes.append(out.shape)) for _, module in named]
    cells, edges, _ = network.space.shape
    skip = network.space.operations.index("skip_connect")
    skips = [Route([[skip]] * edges)] * cells  # which operation runs makes no difference to the shapes
    try:
        with torch.no_grad():
            network(torch.zeros(2, 3, size, size, device=next(network.parameters()).device), skips)
    finally:
        for hook in hooks:
            hook.remove()
    rows, before = [], size
    for (name, _), shape in zip(named, shapes, strict=True):
        height, width = shape[2:]
        stride = None if name == "ASPP" else round(before / height)
        rows.append(Stage(name, stride, height, width, round(size / height)))
        before = height
    return rows
