"""Size and cost of a network: parameters, and multiply-adds of one forward pass."""

from collections.abc import Callable

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from eoinas import params
from eoinas.genotype import Genotype
from eoinas.models.classifier import Classifier


class CifarSize(params.Section):
    """Of the networks that are trained on classification data sets."""

    C: int
    layers: int


class ImagenetSize(CifarSize):
    """Of the networks that are trained on ImageNet."""

    image_size: int


class Sizes(params.Section):
    """Of all networks whose complexity is counted."""

    retrain: CifarSize
    imagenet: ImagenetSize


CONVENTION = "multiply-adds of convolutions and linear layers for one image; no bias, no BatchNorm, no auxiliary head"


def parameters(module: nn.Module) -> int:
    """Number of learnable numbers in ``module``; running statistics of BatchNorm are not counted."""
    return sum(parameter.numel() for parameter in module.parameters())


def multiply_adds(module: nn.Module, image_size: int) -> dict[str, int]:
    """Multiply-adds of one evaluation pass over one [1, 3, image_size, image_size] image, by ``CONVENTION``.

    Nothing is computed if the module was built under ``torch.device("meta")``, which takes a second and no random numbers.

    Args:
        module: a network; its mode and its running statistics are left as they were.
        image_size: side of the image, in pixels.

    Returns:
        ``conv`` and ``linear``: multiply-adds, in units of 1.
    """
    device = next(module.parameters()).device
    training = module.training
    module.eval()
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            module(torch.zeros(1, 3, image_size, image_size, device=device))
    finally:
        module.train(training)
    flops = counter.get_flop_counts()["Global"]
    aten = torch.ops.aten
    conv = flops.get(aten.convolution, 0)
    linear = sum(flops.get(operator, 0) for operator in (aten.addmm, aten.mm))
    return {"conv": conv // 2, "linear": linear // 2}


def of_classifier(
    network: Callable[..., Classifier], genotype: Genotype, C: int, layers: int, classes: int, image_size: int
) -> dict[str, int]:
    """``params``, ``params_with_auxiliary`` and ``multiply_adds`` of the network that a cell makes, in units of 1.

    Args:
        network: NetworkCIFAR or NetworkImageNet.
    """
    with torch.device("meta"):
        plain = network(genotype, C, layers, classes, image_size, auxiliary=False)
        with_head = network(genotype, C, layers, classes, image_size)
    return {
        "params": parameters(plain),
        "params_with_auxiliary": parameters(with_head),
        "multiply_adds": sum(multiply_adds(plain, image_size).values()),
    }
