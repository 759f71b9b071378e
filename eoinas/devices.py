"""The device that a stage works on, and how it calculates."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from eoinas import params

if TYPE_CHECKING:
    import torch


class DeviceParams(params.Section):
    """How a device calculates; all of it can change a result in its last digits.

    Attributes:
        cpu_threads: of one operation on a CPU, 0 for torch's default. The order of sums depends on it, and small networks are
            fastest on one.
        allow_tf32: convolutions and products of float32 may be done in TensorFloat-32 where a GPU has it.
        deterministic: operators that give the same bytes again, and an error where there is none.
    """

    cpu_threads: Annotated[int, Field(ge=0)]
    allow_tf32: bool
    deterministic: bool


def device(how: DeviceParams) -> torch.device:
    """The device that a stage works on, with torch set to calculate as asked for."""
    import torch

    if how.cpu_threads:
        torch.set_num_threads(how.cpu_threads)

    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is deterministic only with a fixed workspace
    # The same switch as use_deterministic_algorithms(True), which also imports the compiler and so takes a second a process.
    torch.set_deterministic_debug_mode("error" if how.deterministic else "default")
    # It would also fill every new tensor before its use; no operator here reads what it has not written.
    torch.utils.deterministic.fill_uninitialized_memory = False
    torch.backends.cudnn.benchmark = not how.deterministic  # the fastest kernel by trying, which may be another one each time
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = how.allow_tf32
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("cpu")


def moved(values: torch.Tensor, device: torch.device) -> torch.Tensor:
    """``values`` on the device; the host does not wait for what the device does before."""
    if device.type == "cuda" and values.device.type == "cpu":
        values = values.pin_memory()
    return values.to(device, non_blocking=True)


def device_name() -> str:
    """The name of the device for the search cost, e.g. "NVIDIA GeForce GTX 1080 Ti" or the CPU's model."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            model = next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        import platform

        model = platform.machine()
    return f"{model} CPU"
