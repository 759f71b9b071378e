"""What a training step of a network would meet: the network runs once on torch's "meta" device, where nothing is computed."""

import copy
from typing import NamedTuple

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


class Probe(NamedTuple):
    """What was met."""

    single_values: bool  # a batch normalisation that gets one value a channel of an image: of one image it has no spread
    unused: frozenset[str]  # names of the parameters that no gradient reaches, such as those of a node that nothing reads


def probe(network: nn.Module, side: int) -> Probe:
    """Run a copy of ``network`` in training mode on two images.

    Args:
        network: of images [B, 3, side, side] to a tensor, or to a tuple of tensors and None.
    """
    twin, values = copy.deepcopy(network).to("meta", torch.float32).train(), []
    for module in twin.modules():
        if isinstance(module, _BatchNorm):
            module.register_forward_pre_hook(lambda _, inputs: values.append(inputs[0].shape[2:].numel()))
    outputs = twin(torch.zeros(2, 3, side, side, device="meta"))
    parts = outputs if isinstance(outputs, tuple) else (outputs,)
    sum(part.sum() for part in parts if part is not None).backward()
    return Probe(1 in values, frozenset(name for name, value in twin.named_parameters() if value.grad is None))
