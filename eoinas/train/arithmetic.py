"""How a training calculates: the precision of its forward pass, the memory layout, and whether the network is compiled."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Literal

import torch

from eoinas.devices import DeviceParams

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class ArithmeticParams(DeviceParams):
    """What it may be; what each means stands beside it in params.yaml."""

    precision: Literal["fp32", "bf16", "fp16"]
    channels_last: bool
    compile: bool


def autocast(settings: ArithmeticParams, device: torch.device) -> AbstractContextManager:
    """Arithmetic of a forward pass as ``precision`` says."""
    return torch.autocast(device.type, PRECISIONS[settings.precision], enabled=settings.precision != "fp32")


def scaler(settings: ArithmeticParams, device: torch.device) -> torch.amp.GradScaler:
    """Keeps the gradients of fp16 from vanishing; of the other precisions it does nothing."""
    return torch.amp.GradScaler(device.type, enabled=settings.precision == "fp16")


def layout(settings: ArithmeticParams) -> torch.memory_format:
    """Memory layout of weights and inputs."""
    return torch.channels_last if settings.channels_last else torch.contiguous_format


def compiled(forward: Callable, settings: ArithmeticParams) -> Callable:
    """``forward`` as it is called in training; it shares the network's weights."""
    return torch.compile(forward) if settings.compile else forward
